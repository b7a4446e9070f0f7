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
	s := &send{input: os.Stdin, output: os.Stdout, progress: os.Stderr, now: time.Now, sleep: time.Sleep}
	command{
		name:  "send",
		usage: "<provider> --secret <text> --to <url> [--event <type>] [--id <id>] [--data <json>] [--sample] [--forge] [--stale] [--repeat <times>] [--rate <per second>] [--json | --print curl]",
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

For a provider that signs with a private key, --test-key makes one of your own, and
tells how an endpoint gets to know its public key. Where the keys are fetched from the
provider, and for multipart/form-data, nothing can be sent.

--sample sends a delivery of the provider as the catalogue has it.

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
	for i := range s.repeat {
		if i > 0 && s.fresh {
			if d, err = s.draft(args); err != nil {
				return err
			}
		}
		s.pace(i, refused)
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
	s.pace(s.repeat, refused)
	if refused > 0 {
		return fmt.Errorf("%w: %d of %d", errRefused, refused, s.repeat)
	}
	return nil
}

// exchange is a request and its answer in JSON.
type exchange struct {
	Request signedRequest `json:"request"`
	Status  int           `json:"status"`
	Answer  string        `json:"answer"`
	Seconds float64       `json:"seconds"`
}

// post sends r and prints the exchange in the manner of "curl -v", or as JSON; at a
// rate, the progress is told instead.
func (s *send) post(r *http.Request) (status int, err error) {
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, err
	}
	r.Body = io.NopCloser(bytes.NewReader(sent))
	var text bytes.Buffer
	fmt.Fprintf(&text, "> %s %s\n", r.Method, r.URL)
	for name, value := range fields(r.Header) {
		fmt.Fprintf(&text, "> %s: %s\n", name, value)
	}
	var start time.Time
	if s.json {
		start = s.now()
	}
	status, first, body, err := answerTo(r)
	if status != 0 {
		fmt.Fprintf(&text, "< %s\n%s", first, body)
	}
	if err != nil {
		err = fmt.Errorf("--to: %w", err)
	}
	switch {
	case s.json:
		return status, errors.Join(err, printJSON(s.output, exchange{inJSON(r, sent), status, string(body), s.now().Sub(start).Seconds()}))
	case s.rate > 0:
		return status, err
	}
	_, printed := fmt.Fprintf(s.output, "%s\n\n", bytes.TrimRight(text.Bytes(), "\r\n"))
	return status, errors.Join(err, printed)
}

var client = http.Client{
	Timeout: sendTimeout,
	// A provider takes a redirect for a failure.
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// answerTo returns the answer's status, its first line, and as much of its body as is
// printed.
func answerTo(r *http.Request) (status int, first string, body []byte, err error) {
	answer, err := client.Do(r)
	if err != nil {
		return 0, "", nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return answer.StatusCode, answer.Proto + " " + answer.Status, body, err
}
