package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hookpass/hookpass/capture"
	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/diagnosis"
	"github.com/hookpass/hookpass/keyfetch"
	"github.com/hookpass/hookpass/webhook"
)

// patient is for somebody who waits for the answer: some seconds at most.
var patient = diagnosis.Limits{Variants: 100_000, Bytes: 256 << 20}

func init() {
	e := &explain{input: os.Stdin, output: os.Stdout, now: time.Now, keys: fetchedKeys{keyfetch.New(nil, nil)}}
	command{
		name:  "explain",
		usage: "--request <file> --provider <id> (--secret-env <name> | --secret-file <path>) [--url <url>] [--at <time>] [--with <name=value>] [--providers <directory>] [--json]",
		short: "Tells why a captured request is not genuine, and what to do",
		long: `
Reads a request that was captured, as hookpass verify does, and undoes the mistakes
that are made with webhooks, one after another, until its signature is right:

	hookpass explain --request refused.http --provider stripe --secret-env STRIPE_WEBHOOK_SECRET

It prints what went wrong, whether that is proven, and what to do. --url is the
address that the provider has, where proxies or the capture have changed it. How old
the delivery was when it arrived counts where a HAR file or --at tells.

Keys that a provider publishes are fetched. Neither secrets nor signatures are
printed.
`,
		flags: e.flags(),
		run:   e.run,
	}.register()
}

// fetchedKeys are those that providers publish.
type fetchedKeys struct{ *keyfetch.Cache }

// Keys implements [webhook.KeySource].
func (f fetchedKeys) Keys(r webhook.KeyRequest, id string) ([]jose.JSONWebKey, error) {
	return f.Cache.Keys(keyfetch.Request(r), id)
}

// explain is the command: its flags, and what it touches of the world.
type explain struct {
	input  io.Reader
	output io.Writer
	now    func() time.Time
	keys   webhook.KeySource

	requestFlags
	secretFlags
	with withFlags
	at   timeFlag
	json bool
}

func (e *explain) flags() *flag.FlagSet {
	f := flag.NewFlagSet("explain", flag.ContinueOnError)
	e.requestFlags.register(f)
	e.secretFlags.register(f)
	e.with = newWithFlags(f)
	e.at.register(f, "When it arrived (default: when the capture says, else its age does not count)")
	f.BoolVar(&e.json, "json", false, "Print what is found as a line of JSON for each request")
	return f
}

// run explains every request of the capture; args is what is no flag.
func (e *explain) run(args []string) error {
	requests, err := e.read(args, e.input)
	if err != nil {
		return err
	}
	provider, err := e.lookup(requests[0], e.with)
	if err != nil {
		return err
	}
	endpoint, err := e.endpoint(provider)
	if err != nil {
		return err
	}
	rejected := 0
	for _, r := range requests {
		f := e.diagnose(r, endpoint)
		if f.Cause != diagnosis.Genuine {
			rejected++
		}
		if err := e.print(r, f); err != nil {
			return err
		}
	}
	if rejected > 0 {
		return fmt.Errorf("%w: %d of %d", errRejected, rejected, len(requests))
	}
	return nil
}

// endpoint is what the flags describe.
func (e *explain) endpoint(p *catalog.Provider) (diagnosis.Endpoint, error) {
	endpoint := diagnosis.Endpoint{
		Name: p.ID, Provider: p.ID, Scheme: p.Scheme,
		Tolerance: p.MaxAge(), With: e.with, PublicURL: e.url, Keys: e.keys,
	}
	needed, err := e.needed(p)
	if err != nil || !needed {
		return endpoint, err
	}
	from, text, err := e.plain()
	if err == nil && text == "" {
		err = fmt.Errorf("%s: %w", from, webhook.ErrSecretEmpty)
	}
	endpoint.Secrets = []diagnosis.Secret{{Text: func() string { return text }}}
	return endpoint, err
}

func (e *explain) diagnose(r capture.Request, endpoint diagnosis.Endpoint) diagnosis.Finding {
	d := diagnosis.Delivery{Request: r.Request, Received: e.at.or(r.Time)}
	if d.Received.IsZero() {
		d.Received, endpoint.Tolerance = e.now(), 0
	}
	f := diagnosis.Diagnose(patient, d, endpoint, diagnosis.Process{})
	unframed := e.bodyEndsFile && r.Header.Get("Content-Length") == ""
	if cut := bytes.TrimRight(r.Body, "\r\n"); f.Cause == diagnosis.BodyLineEnd && unframed && len(cut) < len(r.Body) {
		d.Request.Body = cut
		return diagnosis.Diagnose(patient, d, endpoint, diagnosis.Process{})
	}
	return f
}

func (e *explain) print(r capture.Request, f diagnosis.Finding) error {
	if e.json {
		return printJSON(e.output, f)
	}
	sure := "not proven"
	if f.Proven {
		sure = "proven"
	}
	_, err := fmt.Fprintf(e.output, "%s %q: %s, %s\n  %s\n  %s\n", r.Method, cmp.Or(r.Path, "/"), f.Cause, sure, f.Sentence, cmp.Or(f.Remedy, "There is nothing to do."))
	return err
}
