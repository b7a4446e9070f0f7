package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hookpass/hookpass/caddymodule"
	"github.com/hookpass/hookpass/catalog"
)

func init() {
	m := &memory{output: os.Stdout}
	command{
		name:  "dedup",
		usage: "[list | forget <endpoint> (<id>... | --body <file> | --all)] [--json] [--address <admin>]",
		short: "Shows or forgets what the running hookpass remembers",
		long: `
Without an argument, or with list, tells how much is remembered, how far back that
reaches, and how each endpoint tells copies of a delivery:

	hookpass dedup

forget makes a deliberate redelivery pass. Name the endpoint and the id of the
delivery, as the delivery log has them:

	hookpass dedup forget stripe evt_1Nxd

Where an endpoint knows deliveries by their content, give the body instead, in a
file or, with -, on the standard input. --all forgets everything of the endpoint:

	hookpass dedup forget trello --body body.json
	hookpass dedup forget stripe --all

It asks the process over Caddy's admin API, which is at localhost:2019 unless
--address says otherwise.
`,
		flags: m.flags(),
		run:   m.run,
	}.register()
}

var (
	errDedupUsage = errors.New("see hookpass dedup --help")
	// errNotRemembered is returned when there was nothing to forget.
	errNotRemembered = errors.New("not remembered")
)

// memory is the command: its flags, and where it writes to.
type memory struct {
	output io.Writer

	adminFlag
	body      string
	all, json bool
}

func (m *memory) flags() *flag.FlagSet {
	f := flag.NewFlagSet("dedup", flag.ContinueOnError)
	m.register(f)
	f.StringVar(&m.body, "body", "", "Forget the delivery with the body in this file; - is the standard input")
	f.BoolVar(&m.all, "all", false, "Forget all deliveries of the endpoint")
	f.BoolVar(&m.json, "json", false, "Print what is remembered, or was forgotten, as JSON")
	return f
}

func (m *memory) run(args []string) error {
	switch {
	case len(args) == 0, len(args) == 1 && args[0] == "list":
		return m.list()
	case args[0] != "forget":
		return fmt.Errorf("unknown word %q: did you mean %s? %w", args[0], catalog.Nearest(args[0], []string{"list", "forget"}), errDedupUsage)
	case len(args) == 1:
		return fmt.Errorf("forget needs the name of an endpoint: %w", errDedupUsage)
	default:
		return m.forget(args[1], args[2:])
	}
}

func (m *memory) list() error {
	var state caddymodule.DedupState
	if err := m.ask(context.Background(), http.MethodGet, caddymodule.DedupPath, nil, &state); err != nil {
		return err
	}
	if m.json {
		encoder := json.NewEncoder(m.output)
		encoder.SetIndent("", "  ")
		return encoder.Encode(state)
	}
	var rows strings.Builder
	where := state.Store
	if state.Outage {
		where += " (which does not answer)"
	}
	fmt.Fprintf(&rows, "in %s: %d of at most %d deliveries remembered, the oldest for %v; %d in flight, %d copies waiting, %d forgotten early\n\n",
		where, state.Entries, state.Capacity, seconds(state.EffectiveWindow), state.InFlight, state.Waiters, state.EvictedEarly)
	fmt.Fprintln(&rows, "ENDPOINT\tPROVIDER\tKEY\tWINDOW")
	for _, e := range state.Endpoints {
		fmt.Fprintf(&rows, "%s\t%s\t%s\t%v\n", e.Name, e.Provider, e.Key, seconds(e.Window))
	}
	table := tabwriter.NewWriter(m.output, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, rows.String()); err != nil {
		return err
	}
	return table.Flush()
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}

// forget forgets exactly what it is told to: all of an endpoint is never what
// remains when nothing else was said.
func (m *memory) forget(endpoint string, ids []string) error {
	given := 0
	for _, yes := range []bool{len(ids) > 0, m.body != "", m.all} {
		if yes {
			given++
		}
	}
	if given != 1 {
		return fmt.Errorf("forget needs ids, or --body, or --all: %w", errDedupUsage)
	}
	switch {
	case m.all:
		return m.forgetOne(endpoint, nil, "all deliveries of "+endpoint)
	case m.body != "":
		digest, err := digestOf(m.body)
		if err != nil {
			return err
		}
		return m.forgetOne(endpoint, url.Values{"content": {digest}}, "the delivery with this body")
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, m.forgetOne(endpoint, url.Values{"id": {id}}, id))
	}
	return errors.Join(errs...)
}

func digestOf(file string) (digest string, err error) {
	var body []byte
	if file == "-" {
		body, err = io.ReadAll(os.Stdin)
	} else {
		body, err = os.ReadFile(file)
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), err
}

// forgottenDelivery is what was forgotten, in JSON.
type forgottenDelivery struct {
	Endpoint  string `json:"endpoint"`
	Forgotten string `json:"forgotten"` // the id, or what else was asked for
}

func (m *memory) forgetOne(endpoint string, what url.Values, name string) error {
	var forgotten caddymodule.Forgotten
	if err := m.ask(context.Background(), http.MethodDelete, caddymodule.DedupPath+"/"+endpoint, what, &forgotten); err != nil {
		return err
	}
	if !forgotten.Known {
		return fmt.Errorf("%s: %w at %s", name, errNotRemembered, endpoint)
	}
	if m.json {
		return printJSON(m.output, forgottenDelivery{endpoint, name})
	}
	_, err := fmt.Fprintf(m.output, "forgot %s: the next copy goes to the application\n", name)
	return err
}
