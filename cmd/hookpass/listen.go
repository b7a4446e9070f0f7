package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

func init() {
	l := &listen{output: os.Stdout, progress: os.Stderr}
	command{
		name:  "listen",
		usage: "<provider> [--address <host:port>]",
		short: "Waits for the token that a provider sends its user",
		long: `
Some providers send a token to a new endpoint, unsigned, and nowhere else. One has
to give it back to them by hand, and with some it is the secret from then on. Let
the endpoint's route lead here, and have the provider send it:

	hookpass listen notion --address localhost:9099

The first token that comes is printed, and nothing else to standard output; then
the command ends. Whatever comes in its place is answered with 503, so that the
provider tries again.

Nothing tells who sent the token. Give it to the provider, which takes none but
its own, before you use it as a secret.
`,
		flags:         l.flags(),
		run:           func(args []string) error { return l.run(context.Background(), args) },
		takesProvider: true,
	}.register()
}

const (
	// maxTokenBody is many times the size of what the providers send.
	maxTokenBody = 64 << 10
	maxToken     = 256

	tokenTimeout = 5 * time.Second
)

// errNothingSent is returned for a provider that sends its user nothing.
var errNothingSent = errors.New("sends no token to wait for")

// listen is the command: its flags, and where it writes to.
type listen struct {
	output, progress io.Writer

	address string
}

func (l *listen) flags() *flag.FlagSet {
	f := flag.NewFlagSet("listen", flag.ContinueOnError)
	f.StringVar(&l.address, "address", "localhost:9099", "Where to listen")
	return f
}

// run prints the first token that the provider named in args sends.
func (l *listen) run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("name one provider, such as hookpass listen notion")
	}
	provider, err := catalog.Lookup(args[0])
	if err != nil {
		return err
	}
	if provider.Listen == "" {
		return fmt.Errorf("%s %w; its secret: %s", provider.Name, errNothingSent, provider.Secret)
	}
	place, err := webhook.ParsePlace(provider.Listen)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", l.address)
	if err != nil {
		return fmt.Errorf("--address: %w", err)
	}
	l.tell("Waiting on http://%s for a request of %s with %s.", listener.Addr(), provider.Name, provider.Listen)
	tokens := make(chan string, 1)
	server := &http.Server{ReadTimeout: tokenTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := tokenIn(w, r, place); token != "" {
			select {
			case tokens <- token:
				return
			default: // it has come already
			}
		}
		l.tell("Answered a request without it.")
		w.WriteHeader(http.StatusServiceUnavailable)
	})}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case token := <-tokens:
		_, err := fmt.Fprintln(l.output, token)
		l.tell("Whoever knows the address could have sent this: see that %s takes it before you use it.", provider.Name)
		last, cancel := context.WithTimeout(ctx, tokenTimeout)
		defer cancel()
		_ = server.Shutdown(last) // lets the answer leave; who has not yet asked by then is not waited for
		return err
	}
}

// tokenIn returns the token in a request, empty if there is none. It is printed, so
// that it has to be a short word without anything that a terminal would obey.
func tokenIn(w http.ResponseWriter, r *http.Request, place webhook.Place) string {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxTokenBody))
	if err != nil || r.Method != http.MethodPost {
		return ""
	}
	token, err := place.Value(&webhook.Request{Header: r.Header, Query: r.URL.RawQuery, Body: body})
	if err != nil || len(token) > maxToken || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return ""
	}
	return token
}

func (l *listen) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(l.progress, format+"\n", args...) // what matters goes to output
}
