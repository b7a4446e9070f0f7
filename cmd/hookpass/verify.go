package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"time"

	"github.com/hookpass/hookpass/caddymodule"
	"github.com/hookpass/hookpass/capture"
	"github.com/hookpass/hookpass/delivery"
	"github.com/hookpass/hookpass/webhook"
)

func init() {
	v := &verify{newInspection()}
	command{
		name:  "verify",
		usage: "--request <file> --provider <id> (--secret-env <name> | --secret-file <path>) [--url <url>] [--at <time>] [--with <name=value>] [--providers <directory>] [--json]",
		short: "Tells whether a captured request is genuine, and why not",
		long: `
Reads a request that was captured: as raw HTTP, in a HAR file, or as a curl command;
with "-", from standard input. Checks it as an endpoint would, and prints the
verdict, and for one that is not genuine the reason, as the delivery log has it:

	hookpass verify --request request.http --provider stripe --secret-env STRIPE_WEBHOOK_SECRET

A HAR file tells when each request was sent; else it is now, or what --at says. For
providers that sign the address, --url is the one that the provider has, unless the
capture tells it.

The bytes have to be those that were sent: an editor that reformats JSON, or adds a
line break, makes every signature mismatch. Keys that a provider publishes are
fetched. hookpass explain looks for the mistake in one that is not genuine.
`,
		flags: v.flags(),
		run:   v.run,
	}.register()
}

// errRejected is returned for a request that is not genuine.
var errRejected = errors.New("not genuine")

// verify is the command.
type verify struct{ inspection }

func (v *verify) flags() *flag.FlagSet {
	f := flag.NewFlagSet("verify", flag.ContinueOnError)
	v.register(f, "When it arrived (default: when the capture says, else now)", "Print each verdict as a line of JSON")
	return f
}

// finding is what is found of one request.
type finding struct {
	Verdict    string          `json:"verdict"` // genuine, or rejected
	Reason     delivery.Reason `json:"reason,omitempty"`
	Detail     string          `json:"detail,omitempty"`
	Provider   string          `json:"provider"`
	Method     string          `json:"method"`
	URL        string          `json:"url"`
	DeliveryID string          `json:"delivery_id,omitempty"` // unproven, if rejected, as is the rest
	Event      string          `json:"event,omitempty"`
	Timestamp  time.Time       `json:"timestamp,omitzero"`
	At         time.Time       `json:"at"` // as of when it was checked
}

func (v *verify) run(args []string) error {
	requests, err := v.read(args, v.input)
	if err != nil {
		return err
	}
	verifier, provider, err := v.verifier(requests)
	if err != nil {
		return err
	}
	return v.each(requests, func(r capture.Request) (bool, error) {
		f := v.check(verifier, &r)
		f.Provider = provider
		return f.Verdict == genuine, v.print(f)
	})
}

func (v *verify) verifier(requests []capture.Request) (*webhook.Verifier, string, error) {
	provider, err := v.lookup(requests[0], v.with)
	if err != nil {
		return nil, "", err
	}
	needed, err := v.needed(provider)
	if err != nil {
		return nil, "", err
	}
	var secrets []webhook.Secret
	if needed {
		secret, err := v.secret(provider.Scheme.Key)
		if err != nil {
			return nil, "", err
		}
		secrets = append(secrets, secret)
	}
	verifier, err := webhook.NewVerifier(provider.Scheme, secrets, provider.MaxAge(), v.with)
	if err != nil {
		return nil, "", err
	}
	verifier.FetchFrom(v.keys)
	return verifier, provider.ID, nil
}

const genuine = "genuine"

func (v *verify) check(verifier *webhook.Verifier, r *capture.Request) finding {
	at := v.at.or(r.Time)
	if at.IsZero() {
		at = v.now()
	}
	f := finding{Verdict: genuine, Method: r.Method, URL: r.URL, At: at.UTC().Truncate(time.Second)}
	d, err := verifier.Verify(&r.Request, at)
	f.DeliveryID, f.Event = d.ID, d.Event
	if !d.Timestamp.IsZero() {
		f.Timestamp = d.Timestamp.UTC()
	}
	if err != nil {
		f.Verdict, f.Reason, f.Detail = string(delivery.VerdictRejected), caddymodule.Reason(err), err.Error()
	}
	return f
}

func (v *verify) print(f finding) error {
	if v.json {
		return printJSON(v.output, f)
	}
	text := fmt.Sprintf("genuine: a delivery of %s", f.Provider)
	if f.Verdict != genuine {
		text = fmt.Sprintf("rejected: %s: %s", f.Reason, f.Detail)
	}
	rows := [][2]string{{"request", f.Method + " " + f.URL}, {"delivery", f.DeliveryID}, {"event", f.Event}}
	if !f.Timestamp.IsZero() {
		rows = append(rows, [2]string{"signed at", f.Timestamp.Format(time.RFC3339)})
	}
	rows = append(rows, [2]string{"checked as of", f.At.Format(time.RFC3339)})
	for _, row := range rows {
		quoted := strconv.QuoteToASCII(row[1]) // it may be anything that a terminal would obey
		text += fmt.Sprintf("\n  %s: %s", row[0], cmp.Or(quoted[1:len(quoted)-1], "–"))
	}
	_, err := fmt.Fprintln(v.output, text)
	return err
}
