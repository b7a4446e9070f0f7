package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func init() {
	s := &send{input: os.Stdin, output: os.Stdout, progress: os.Stderr, now: time.Now}
	command{
		name:  "send",
		usage: "<provider> --secret <text> --to <url> [--event <type>] [--id <id>] [--data <json>] [--forge] [--stale] [--repeat <times>] [--print curl]",
		short: "Sends a signed test delivery",
		long: `
Builds a delivery as the provider would, signs it with the endpoint's secret,
posts it, and prints what came back:

	hookpass send saltare --secret development-secret-saltare \
		--event task.created --data '{"data":{"title":"Café"}}' \
		--to http://localhost:8080/webhooks/saltare

Where the provider writes the delivery id, the event type, a timestamp or the
signature into the body, they are added to --data unless it has them; nothing
else of it is changed. A body of another --header 'Content-Type: …' is sent as it
is. Further header fields that the provider signs are those of --header.

Deliveries that are signed with a private key cannot be sent: the provider keeps
it, and the public key only verifies. Nor can those of multipart/form-data.

--forge, --stale and --repeat make the deliveries that a gatekeeper exists for.
`,
		flags:         s.flags(),
		run:           s.run,
		takesProvider: true,
	}.register()
}

// errRefused is returned when an answer was not 2xx.
var errRefused = errors.New("the endpoint answered otherwise than 2xx")

const (
	sendTimeout = time.Minute // twice what an endpoint gives its application by default
	maxAnswer   = 1 << 20     // bytes of an answer that are printed
)

// run sends the deliveries that the flags describe; args is what is no flag.
func (s *send) run(args []string) error {
	d, err := s.draft(args)
	if err != nil {
		return err
	}
	refused := 0
	for range s.repeat {
		r, err := d.sign(s.now())
		if err != nil {
			return err
		}
		if s.print != "" {
			if err := printCurl(s.output, r); err != nil {
				return fmt.Errorf("--print curl: %w", err)
			}
			continue
		}
		status, err := s.post(r)
		if err != nil {
			return err
		}
		if status/100 != 2 {
			refused++
		}
	}
	if refused > 0 {
		return fmt.Errorf("%w: %d of %d", errRefused, refused, s.repeat)
	}
	return nil
}

// post sends r and prints the exchange in the manner of "curl -v".
func (s *send) post(r *http.Request) (status int, err error) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "> %s %s\n", r.Method, r.URL)
	for name, value := range fields(r.Header) {
		fmt.Fprintf(&text, "> %s: %s\n", name, value)
	}
	client := http.Client{
		Timeout: sendTimeout,
		// A provider takes a redirect for a failure.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(r)
	if err == nil {
		defer answer.Body.Close()
		fmt.Fprintf(&text, "< %s %s\n", answer.Proto, answer.Status)
		_, err = text.ReadFrom(io.LimitReader(answer.Body, maxAnswer))
		status = answer.StatusCode
	}
	if err != nil {
		err = fmt.Errorf("--to: %w", err)
	}
	_, printed := fmt.Fprintf(s.output, "%s\n\n", bytes.TrimRight(text.Bytes(), "\r\n"))
	return status, errors.Join(err, printed)
}
