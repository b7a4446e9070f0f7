package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// adminFlag says where the admin API of the running process is.
type adminFlag struct{ address string }

func (a *adminFlag) register(f *flag.FlagSet) {
	f.StringVar(&a.address, "address", caddy.DefaultAdminListen, "The address of the admin API")
}

// adminError is what the admin API answers in place of what was asked for.
type adminError struct {
	status int
	text   string
}

func (e *adminError) Error() string { return fmt.Sprintf("HTTP %d: %s", e.status, e.text) }

// ask calls the admin API and reads its answer.
func (a *adminFlag) ask(ctx context.Context, method, path string, query url.Values, answer any) error {
	resp, err := a.open(ctx, method, path, query, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := readAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		return a.failed(err)
	}
	return nil
}

// open calls the admin API. Whoever gets an answer closes its body.
func (a *adminFlag) open(ctx context.Context, method, path string, query url.Values, header http.Header) (*http.Response, error) {
	resp, err := a.send(ctx, method, path, query, header)
	if err != nil {
		return nil, a.failed(err)
	}
	return resp, nil
}

func (a *adminFlag) failed(err error) error {
	return fmt.Errorf("asking the hookpass whose admin API is at %s: %w", a.address, err)
}

func (a *adminFlag) send(ctx context.Context, method, path string, query url.Values, header http.Header) (*http.Response, error) {
	address, err := caddy.ParseNetworkAddress(a.address)
	if err != nil {
		return nil, fmt.Errorf("--address: %w", err)
	}
	to := url.URL{Scheme: "http", Host: address.JoinHostPort(0), Path: path, RawQuery: query.Encode()}
	if address.IsUnixNetwork() {
		address.Host, _, _ = strings.Cut(address.Host, "|") // the permissions of the socket
		to.Host = "127.0.0.1"
	}
	req, err := http.NewRequestWithContext(ctx, method, to.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	if !address.IsUnixNetwork() {
		req.Header.Set("Origin", "http://"+to.Host) // Caddy can be told to insist on one
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, address.Network, address.JoinHostPort(0))
		},
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	text, err := readAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var told struct{ Error string }
	if json.Unmarshal(text, &told) != nil || told.Error == "" {
		told.Error = "is it the admin API of hookpass?"
	}
	return nil, &adminError{resp.StatusCode, plain(told.Error)}
}
