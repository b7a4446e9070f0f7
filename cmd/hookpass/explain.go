package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/go-jose/go-jose/v4"

	"github.com/hookpass/hookpass/capture"
	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/diagnosis"
	"github.com/hookpass/hookpass/keyfetch"
	"github.com/hookpass/hookpass/webhook"
)

// errKnown is returned for what only a captured request needs.
var errKnown = errors.New("the running hookpass knows the request of --delivery, and how to verify it: write --address and --json beside it, and nothing else")

func init() {
	e := &explain{inspection: newInspection(), progress: os.Stderr}
	command{
		name:  "explain",
		usage: "(--delivery <number or id> [--address <admin>] | --request <file> --provider <id> (--secret-env <name> | --secret-file <path>) [--url <url>] [--at <time>] [--with <name=value>] [--providers <directory>]) [--json]",
		short: "Tells why a captured request is not genuine, and what to do",
		long: `
Reads a request that was captured, as hookpass verify does, and undoes the mistakes
that are made with webhooks, one after another, until its signature is right:

	hookpass explain --request refused.http --provider stripe --secret-env STRIPE_WEBHOOK_SECRET

It prints what went wrong, whether that is proven, and what to do. --url is the
address that the provider has, where proxies or the capture have changed it. How old
the delivery was when it arrived counts where a HAR file or --at tells.

--delivery is one that the running hookpass keeps with its body, by the number that
hookpass tail shows or by the provider's id. It knows secret and settings itself, and
is asked over Caddy's admin API:

	hookpass explain --delivery 1187

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
	inspection
	progress io.Writer

	adminFlag
	delivery string
}

func (e *explain) flags() *flag.FlagSet {
	f := flag.NewFlagSet("explain", flag.ContinueOnError)
	e.inspection.register(f, "When it arrived (default: when the capture says, else its age does not count)", "Print what is found as a line of JSON for each request")
	e.adminFlag.register(f)
	f.StringVar(&e.delivery, "delivery", "", "The number or the id of a delivery that the running hookpass keeps")
	return f
}

// run explains every request of the capture, or a delivery; args is what is no flag.
func (e *explain) run(args []string) error {
	if e.delivery != "" {
		if len(args) > 0 || e.request != "" || e.provider != "" || e.providers != "" || e.url != "" || e.given() || len(e.with) > 0 || !e.at.IsZero() {
			return errKnown
		}
		return e.explainKept(context.Background())
	}
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
	return e.each(requests, func(r capture.Request) (bool, error) {
		f := e.diagnose(r, endpoint)
		return f.Cause == diagnosis.Genuine, e.print(r.Method, r.Path, f)
	})
}

// explainKept explains a delivery of the running process, which looks into it. Where
// it has no body to look into, it may have done so when the delivery came.
func (e *explain) explainKept(ctx context.Context) error {
	d, err := e.find(ctx, e.delivery)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(e.progress, d.named()) // what matters goes to output
	var f diagnosis.Finding
	err = e.ask(ctx, http.MethodGet, d.at("diagnosis"), nil, &f)
	var refused *adminError
	switch {
	case errors.As(err, &refused) && refused.status == http.StatusConflict && d.Hint != "":
		_, _ = fmt.Fprintf(e.progress, "%s; this was found when it came\n", refused.text)
		if e.json {
			err = printJSON(e.output, map[string]string{"hint": d.Hint})
		} else {
			_, err = fmt.Fprintln(e.output, plain(d.Hint))
		}
	case err == nil:
		err = e.print(d.Method, d.Path, f)
	}
	if err == nil && f.Cause != diagnosis.Genuine {
		err = fmt.Errorf("%w: delivery %d", errRejected, d.Number)
	}
	return err
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
	f := diagnosis.Diagnose(diagnosis.PatientLimits, d, endpoint, diagnosis.Process{})
	unframed := e.bodyEndsFile && r.Header.Get("Content-Length") == ""
	if cut := bytes.TrimRight(r.Body, "\r\n"); f.Cause == diagnosis.BodyLineEnd && unframed && len(cut) < len(r.Body) {
		d.Request.Body = cut
		return diagnosis.Diagnose(diagnosis.PatientLimits, d, endpoint, diagnosis.Process{})
	}
	return f
}

func (e *explain) print(method, path string, f diagnosis.Finding) error {
	if e.json {
		return printJSON(e.output, f)
	}
	sure := "not proven"
	if f.Proven {
		sure = "proven"
	}
	_, err := fmt.Fprintf(e.output, "%s %q: %s, %s\n  %s\n  %s\n", plain(method), cmp.Or(path, "/"), plain(string(f.Cause)), sure,
		plain(f.Sentence), plain(cmp.Or(f.Remedy, "There is nothing to do.")))
	return err
}
