package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

func init() {
	p := &providers{output: os.Stdout}
	command{
		name:  "providers",
		usage: "[<id> | <word>...] [--header <name>] [--json | --markdown | --proof] [--why <name>]",
		short: "Tells about the providers that hookpass knows",
		long: `
Without an argument, lists all providers. With an id or alias, tells all that a
user of the provider must know, and what to write into the Caddyfile:

	hookpass providers stripe

Other words search ids, names and categories. --header finds the providers that
send a header field, for deliveries of unknown origin:

	hookpass providers payments
	hookpass providers --header X-Hub-Signature-256

--why tells why a provider is not in the list that signs nothing, and what to do
instead.
`,
		flags:         p.flags(),
		run:           p.run,
		takesProvider: true,
	}.register()
}

// errNotFound is returned when no provider is as the user asked for.
var errNotFound = errors.New("no provider found")

// providers is the command: its flags, and where it writes to.
type providers struct {
	output io.Writer

	header, why           string
	json, markdown, proof bool
}

func (p *providers) flags() *flag.FlagSet {
	f := flag.NewFlagSet("providers", flag.ContinueOnError)
	f.StringVar(&p.header, "header", "", "Only the providers that send this header field")
	f.StringVar(&p.why, "why", "", "Tell why this provider has no signature to verify")
	f.BoolVar(&p.json, "json", false, "Print JSON: all of the files but the test vectors, and what follows from it")
	f.BoolVar(&p.markdown, "markdown", false, "Print the page docs/providers.md")
	f.BoolVar(&p.proof, "proof", false, "Print how many providers are proven by what")
	return f
}

// run prints what the flags ask for; args is what is no flag.
func (p *providers) run(args []string) error {
	if p.why != "" {
		return p.explain(p.why)
	}
	found, err := p.find(args)
	if err != nil {
		return err
	}
	switch {
	case p.json:
		return p.printJSON(found)
	case p.markdown:
		return p.printMarkdown(found)
	case p.proof:
		return p.printProof(found)
	case len(args) == 1 && p.header == "" && found[0].goesBy(args[0]):
		return p.printOne(found[0])
	default:
		return p.printTable(found)
	}
}

// entry is a provider and what follows from its scheme.
type entry struct {
	*catalog.Provider
	facts webhook.Facts
}

func newEntry(id string) (entry, error) {
	p, err := catalog.Lookup(id)
	if err != nil {
		return entry{}, err
	}
	facts, err := p.Scheme.Facts()
	return entry{p, facts}, err
}

func (e entry) goesBy(name string) bool { return name == e.ID || slices.Contains(e.Aliases, name) }

// signed tells what of body, time and id no one can alter.
func (e entry) signed() string {
	var parts []string
	for _, part := range []struct {
		name   string
		signed bool
	}{
		{"body", e.facts.SignsBody},
		{"time", e.facts.HasTimestamp},
		{"id", e.facts.SignsID},
	} {
		if part.signed {
			parts = append(parts, part.name)
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "–")
}

func (e entry) algorithm() string {
	return strings.TrimSpace(e.Scheme.Type + " " + e.Scheme.Algorithm)
}

// matches reports whether e has every word and sends the header field.
func (e entry) matches(words []string, header string) bool {
	if header != "" && !slices.Contains(e.facts.Header, http.CanonicalHeaderKey(header)) {
		return false
	}
	text := strings.ToLower(strings.Join(append([]string{e.ID, e.Name, e.Category}, e.Aliases...), "\n"))
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, strings.ToLower(word)) })
}

// find returns what was asked for: one provider by its name, or all that match.
func (p *providers) find(words []string) ([]entry, error) {
	if len(words) == 1 && p.header == "" {
		if e, err := newEntry(words[0]); err == nil {
			return []entry{e}, nil
		} else if !errors.Is(err, catalog.ErrUnknownProvider) {
			return nil, err
		}
	}
	var found []entry
	for _, id := range catalog.IDs() {
		e, err := newEntry(id)
		if err != nil {
			return nil, err
		}
		if e.matches(words, p.header) {
			found = append(found, e)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case p.header != "":
		return nil, fmt.Errorf("%w: none of them sends the header field %s", errNotFound, p.header)
	case len(words) == 1:
		_, err := catalog.Lookup(words[0])
		return nil, fmt.Errorf("%w: %w", errNotFound, err)
	default:
		return nil, fmt.Errorf("%w: none has all of %s", errNotFound, strings.Join(words, ", "))
	}
}

// explain tells why a provider is not in the catalogue.
func (p *providers) explain(name string) error {
	if u, ok := catalog.UnsignedProviders()[name]; ok {
		_, err := fmt.Fprintf(p.output, "%s signs nothing. %s\n\n%s\n\n%s\n\nWith a secret in the address, ?token=SECRET, in the Caddyfile:\n\n%s",
			u.Name, u.Why, u.Instead, u.Docs, secretAddress(name))
		return err
	}
	e, err := newEntry(name)
	if err != nil {
		return fmt.Errorf("--why: %w", err)
	}
	_, err = fmt.Fprintf(p.output, "%s proves its deliveries: see hookpass providers %s\n", e.Name, e.ID)
	return err
}

func (p *providers) printTable(found []entry) error {
	var rows strings.Builder
	rows.WriteString("ID\tNAME\tCATEGORY\tSCHEME\tDELIVERY ID\tSIGNED\n")
	for _, e := range found {
		fmt.Fprintf(&rows, "%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, e.Name, e.Category, e.algorithm(), cmp.Or(e.Scheme.DeliveryID, "–"), e.signed())
	}
	return p.printAligned(rows.String(), 0)
}

// printAligned writes rows of cells with a tab behind each, as columns.
func (p *providers) printAligned(rows string, flags uint) error {
	w := tabwriter.NewWriter(p.output, 0, 0, 2, ' ', flags)
	if _, err := io.WriteString(w, rows); err != nil {
		return err
	}
	return w.Flush()
}

// record is a provider in JSON: its file's words, and what follows from them.
type record struct {
	*catalog.Provider
	Derived derived `json:"derived"`
}

type derived struct {
	SignsBody  bool             `json:"signs_body"`
	SignsTime  bool             `json:"signs_time"`
	SignsID    bool             `json:"signs_id"`
	Header     []string         `json:"header,omitempty"`     // fields that it sends
	Parameters []string         `json:"parameters,omitempty"` // that "with" must give
	MaxAge     catalog.Duration `json:"max_age,omitzero"`
	Window     catalog.Duration `json:"window"`
	Proof      proof            `json:"proof"`
}

func (p *providers) printJSON(found []entry) error {
	records := make([]record, len(found))
	for i, e := range found {
		records[i] = record{e.Provider, derived{
			SignsBody: e.facts.SignsBody, SignsTime: e.facts.HasTimestamp, SignsID: e.facts.SignsID,
			Header: e.facts.Header, Parameters: e.Parameters(),
			MaxAge: catalog.Duration(e.MaxAge()), Window: catalog.Duration(e.Window()),
			Proof: proofOf(e.Provider),
		}}
	}
	enc := json.NewEncoder(p.output)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "\t")
	return enc.Encode(records)
}
