package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/hookpass/hookpass/caddymodule"
	"github.com/hookpass/hookpass/delivery"
)

func init() {
	r := &replay{output: os.Stdout}
	command{
		name:  "replay",
		usage: "<number or id>... [--json] [--address <admin>]",
		short: "Sends deliveries to the application once more",
		long: `
Has the running hookpass send deliveries once more that it keeps with their bodies, by
the numbers that hookpass tail shows or by the provider's ids:

	hookpass replay 1187 evt_1Nxd

Each is verified anew, as of when it arrived and with the secrets of today: what was
refused for a wrong secret passes once that is mended, and a forgery never does. That
it is a duplicate does not stop it; the application is told by Hookpass-Replay.

It asks the process over Caddy's admin API, which is at localhost:2019 unless
--address says otherwise.
`,
		flags: r.flags(),
		run:   r.run,
	}.register()
}

// errNotTaken is returned when a delivery did not become the application's.
var errNotTaken = errors.New("the application has not taken it")

// replay is the command: its flags, and where it writes to.
type replay struct {
	output io.Writer

	adminFlag
	json bool
}

func (r *replay) flags() *flag.FlagSet {
	f := flag.NewFlagSet("replay", flag.ContinueOnError)
	r.register(f)
	f.BoolVar(&r.json, "json", false, "Print what became of each as a line of JSON")
	return f
}

// run sends none before it knows them all.
func (r *replay) run(args []string) error {
	if len(args) == 0 {
		return errors.New("name the deliveries by their numbers or ids, such as hookpass replay 1187")
	}
	ctx := context.Background()
	var all []*kept
	for _, text := range args {
		d, err := r.find(ctx, text)
		if err != nil {
			return err
		}
		all = append(all, d)
	}
	var errs []error
	for _, d := range all {
		errs = append(errs, r.replay(ctx, d))
	}
	return errors.Join(errs...)
}

// replayedDelivery is what became of a delivery, in JSON.
type replayedDelivery struct {
	Of uint64 `json:"of"` // the number of the one that is kept
	caddymodule.Replayed
}

func (r *replay) replay(ctx context.Context, d *kept) error {
	var got caddymodule.Replayed
	err := r.ask(ctx, http.MethodPost, d.at("replay"), nil, &got)
	if err != nil {
		return fmt.Errorf("%s: %w", d.named(), err)
	}
	if r.json {
		err = printJSON(r.output, replayedDelivery{d.Number, got})
	} else {
		became := kept{Verdict: got.Verdict, Reason: got.Reason}
		text := fmt.Sprintf("%s: %s as delivery %d", d.named(), became.became(), got.Number)
		if got.Status != 0 {
			text += fmt.Sprintf(", answered %d", got.Status)
		}
		_, err = fmt.Fprintln(r.output, text)
	}
	if err == nil && got.Verdict != delivery.VerdictForwarded {
		err = fmt.Errorf("delivery %d: %w", d.Number, errNotTaken)
	}
	return err
}
