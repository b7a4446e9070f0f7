package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/hookpass/hookpass/caddymodule"
)

func init() {
	h := &health{output: os.Stdout}
	command{
		name:  "health",
		usage: "[--address <host:port>] [--json]",
		short: "Tells whether the running hookpass takes deliveries",
		long: `
Asks /readyz of the health port and prints one line, for the health check of a
container:

	HEALTHCHECK CMD ["/hookpass", "health"]

The address is that of --address, or of HOOKPASS_HEALTH_LISTEN, or :8081. The exit
code is 0 if deliveries are taken, else 1.
`,
		flags:     h.flags(),
		run:       func([]string) error { return h.run(context.Background()) },
		tellsExit: true,
	}.register()
}

const (
	defaultHealth = ":8081"

	// healthTimeout is half of what docker gives a health check by default, and
	// more than hookpass takes to answer.
	healthTimeout = 15 * time.Second
)

var (
	// errNotReady is returned if deliveries are not taken.
	errNotReady = errors.New("hookpass takes no deliveries")
	errNoHealth = errors.New("health checks are off: set HOOKPASS_HEALTH_LISTEN, or write health into the webhooks option")
)

// health is the command: its flags, and where it writes to.
type health struct {
	output io.Writer

	address string
	json    bool
}

func (h *health) flags() *flag.FlagSet {
	f := flag.NewFlagSet("health", flag.ContinueOnError)
	f.StringVar(&h.address, "address", cmp.Or(os.Getenv("HOOKPASS_HEALTH_LISTEN"), defaultHealth), "Where health checks are answered")
	f.BoolVar(&h.json, "json", false, "Print the answer as JSON")
	return f
}

func (h *health) run(ctx context.Context) error {
	if h.address == off {
		return errNoHealth
	}
	answer, err := h.ask(ctx)
	if err != nil {
		return fmt.Errorf("%w, or cannot be asked: %w", errNotReady, err)
	}
	if h.json {
		err = json.NewEncoder(h.output).Encode(answer)
	} else {
		_, err = fmt.Fprintln(h.output, inWords(answer))
	}
	if err == nil && !answer.Ready {
		err = fmt.Errorf("%w: %s", errNotReady, answer.Reason)
	}
	return err
}

func inWords(r caddymodule.Readiness) string {
	if !r.Ready {
		return "not ready: " + r.Reason
	}
	words := []string{"ready", "store: " + r.Store}
	if r.Outage {
		words[1] += ", which does not answer"
	}
	for _, a := range r.Application {
		state := "reachable"
		if !a.Reachable {
			state = "not reachable"
		}
		words = append(words, a.Address+": "+state)
	}
	return strings.Join(words, "; ")
}

// ask returns what /readyz answers. Who listens everywhere is asked on this
// machine.
func (h *health) ask(ctx context.Context) (answer caddymodule.Readiness, err error) {
	address, err := caddy.ParseNetworkAddress(h.address)
	if err != nil {
		return answer, fmt.Errorf("--address: %w", err)
	}
	if ip := net.ParseIP(address.Host); address.Host == "" || ip != nil && ip.IsUnspecified() {
		address.Host = "localhost"
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, address.Network, address.JoinHostPort(0))
	}}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/readyz", http.NoBody)
	if err != nil {
		return answer, err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable {
		return answer, fmt.Errorf("%s answers %s to /readyz: is it hookpass?", h.address, resp.Status)
	}
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return answer, err
}
