package keyfetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// timeout bounds a whole fetch: a delivery waits for it, and most senders
	// give up after ten seconds.
	timeout = 5 * time.Second

	// maxSize is many times the size of the largest known key set.
	maxSize = 256 << 10

	// A source says how long its keys are good for; within these bounds it is
	// believed.
	minLifetime     = 5 * time.Minute
	maxLifetime     = 24 * time.Hour
	defaultLifetime = time.Hour
)

func newClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		own.MaxResponseHeaderBytes = maxSize
		transport = own
	}
	return &http.Client{
		Transport: transport,
		Timeout:   timeout,
		// Where it leads, nobody has pinned.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func getKeys(client *http.Client, address string) ([]jose.JSONWebKey, time.Duration, error) {
	text, header, err := get(client, address)
	if err != nil {
		return nil, 0, err
	}
	keys, err := parse(text)
	return keys, lifetime(header), err
}

// get returns no error that quotes the address: a token may be a part of it.
func get(client *http.Client, address string) (text []byte, header http.Header, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, nil, errors.New("not an https URL")
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, nil, errors.New("not an https URL")
	}
	request.Header.Set("Accept", "application/json, application/x-pem-file, */*;q=0.5")
	request.Header.Set("User-Agent", "hookpass")
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
	if text, err = io.ReadAll(io.LimitReader(response.Body, maxSize+1)); err != nil {
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

func lifetime(header http.Header) time.Duration {
	for directive := range strings.SplitSeq(header.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if seconds, err := strconv.ParseUint(value, 10, 31); err == nil && strings.EqualFold(name, "max-age") {
			return min(max(time.Duration(seconds)*time.Second, minLifetime), maxLifetime)
		}
	}
	return defaultLifetime
}

var errNoKey = errors.New("no public key in it")

func parse(text []byte) ([]jose.JSONWebKey, error) {
	text = bytes.TrimSpace(text)
	if block, _ := pem.Decode(text); block != nil {
		return parsePEM(block)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, err
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{text}
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		// What cannot be read may be of a kind that is yet to come, RFC 7517 section 5.
		if err := json.Unmarshal(raw, &key); err == nil && key.Use != "enc" && key.Valid() && key.IsPublic() {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errNoKey
	}
	return keys, nil
}

func parsePEM(block *pem.Block) ([]jose.JSONWebKey, error) {
	var key jose.JSONWebKey
	switch block.Type {
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		key.Key, key.Certificates = certificate.PublicKey, []*x509.Certificate{certificate}
	case "PUBLIC KEY":
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		key.Key = public
	default:
		return nil, errNoKey
	}
	if !key.Valid() || !key.IsPublic() {
		return nil, errNoKey
	}
	return []jose.JSONWebKey{key}, nil
}
