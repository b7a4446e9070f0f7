package keyfetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/tidwall/gjson"
)

const (
	// timeout bounds a whole fetch: a delivery waits for it, and most senders
	// give up after ten seconds.
	timeout = 5 * time.Second

	// maxSize is many times the size of the largest known key set.
	maxSize = 256 << 10
)

// Request is how keys are asked for. Of those that are equal, one is made.
type Request struct {
	// Where they are: an https URL.
	URL string

	// The member of a JSON answer that holds them, in gjson's syntax. Empty if the
	// answer is all keys.
	Path string

	// A JSON document to post. Empty: it is a GET.
	Body string

	// The bearer token (RFC 6750) that is shown. Empty if there is none, or if it is
	// that which TokenURL gives.
	Bearer string

	// Where a bearer token is had first with the client's credentials, as in RFC
	// 6749 section 4.4: an https URL. Empty if none is needed. A token serves one
	// request, as keys are seldom fetched.
	TokenURL, ClientID, ClientSecret, Scope string
}

// Format hides the credentials under every verb.
func (r Request) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.URL) }

func newClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = newOutbound(nil)
	}
	return &http.Client{
		Transport: transport,
		// Where it leads, nobody has pinned.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func getKeys(client *http.Client, r Request) ([]jose.JSONWebKey, time.Duration, error) {
	text, header, err := get(client, r)
	if err != nil {
		return nil, 0, err
	}
	keys, err := parse(text, r.Path)
	return keys, lifetime(header), err
}

func get(client *http.Client, r Request) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	bearer, err := r.token(ctx, client)
	if err != nil {
		return nil, nil, fmt.Errorf("access token: %w", err)
	}
	method := http.MethodGet
	if r.Body != "" {
		method = http.MethodPost
	}
	request, err := newRequest(ctx, method, r.URL, r.Body)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Accept", "application/json, application/x-pem-file, */*;q=0.5")
	if r.Body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	return ask(client, request)
}

// token returns the bearer token to show.
func (r Request) token(ctx context.Context, client *http.Client) (string, error) {
	if r.TokenURL == "" {
		return r.Bearer, nil
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {r.Scope}}
	request, err := newRequest(ctx, http.MethodPost, r.TokenURL, form.Encode())
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// RFC 6749 section 2.3.1 has both encoded.
	request.SetBasicAuth(url.QueryEscape(r.ClientID), url.QueryEscape(r.ClientSecret))
	text, _, err := ask(client, request)
	if err != nil {
		return "", err
	}
	token := gjson.GetBytes(text, "access_token").Str
	if token == "" {
		return "", errors.New("none in the answer")
	}
	return token, nil
}

var errNotHTTPS = errors.New("not an https URL")

func newRequest(ctx context.Context, method, address, body string) (*http.Request, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, errNotHTTPS
	}
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, errNotHTTPS
	}
	request.Header.Set("User-Agent", "hookpass")
	return request, nil
}

// ask returns no error that quotes the URL: a token may be a part of it.
func ask(client *http.Client, request *http.Request) ([]byte, http.Header, error) {
	response, err := client.Do(request)
	if quoting := (*url.Error)(nil); errors.As(err, &quoting) {
		return nil, nil, quoting.Err
	}
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("status %d", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxSize+1))
	if err != nil {
		return nil, nil, err
	}
	if len(text) > maxSize {
		return nil, nil, fmt.Errorf("more than %d bytes", maxSize)
	}
	return text, response.Header, nil
}

// host is what a limit counts by: the last two labels of the URL's host, as
// the ones before them may be the sender's invention.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	labels := strings.Split(u.Hostname(), ".")
	return strings.Join(labels[max(0, len(labels)-2):], ".")
}
