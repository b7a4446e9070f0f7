package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

// printOne tells all that a user of the provider must know.
func (p *providers) printOne(e entry) error {
	var rows strings.Builder
	for _, row := range e.rows() {
		if row[1] != "" {
			fmt.Fprintf(&rows, "%s\t%s\n", row[0], row[1])
		}
	}
	if err := p.printAligned(e.Name+"\n\n"+rows.String(), 0); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.output, "\nIn the Caddyfile:\n\n%s", e.caddyfile())
	return err
}

// rows are the facts, each with its name.
func (e entry) rows() [][2]string {
	rows := [][2]string{
		{"id", strings.Join(append([]string{e.ID}, e.Aliases...), ", ")},
		{"category", e.Category},
		{"documentation", e.Docs},
		{"secret", e.Secret},
	}
	for _, name := range slices.Sorted(maps.Keys(e.With)) {
		rows = append(rows, [2]string{"with " + name, e.With[name]})
	}
	for word, text := range schemeWords(e.Scheme) {
		rows = append(rows, [2]string{word, text})
	}
	age := "no time is signed: old deliveries cannot be told"
	if e.facts.HasTimestamp {
		age = "refused when older than " + catalog.Duration(e.MaxAge()).String()
	}
	for _, h := range e.Handshakes {
		rows = append(rows, [2]string{"handshake", describe(h)})
	}
	if e.Listen != "" {
		rows = append(rows, [2]string{"at first", fmt.Sprintf("%s of an unsigned request, printed by hookpass listen %s", e.Listen, e.ID)})
	}
	return append(rows,
		[2]string{"proves", strings.Replace(e.signed(), "–", "who sent it, and nothing of what is sent", 1)},
		[2]string{"age", age},
		[2]string{"retries", e.Retries.Schedule},
		[2]string{"remembered for", catalog.Duration(e.Window()).String()},
		[2]string{"largest body", cmp.Or(e.MaxBody, defaultMaxBody).String()},
		[2]string{"note", e.Note},
		[2]string{"tested by", proofOf(e.Provider).String()},
	)
}

const defaultMaxBody catalog.Size = 1 << 20

// schemeWords yields what a scheme says, in the words of a provider file.
func schemeWords(s webhook.Scheme) func(yield func(word, text string) bool) {
	return func(yield func(word, text string) bool) {
		v := reflect.ValueOf(s)
		for i := range v.NumField() {
			value := v.Field(i)
			if value.IsZero() {
				continue
			}
			text := value.String()
			if value.Kind() != reflect.String {
				written, err := json.Marshal(value.Interface())
				if err != nil {
					panic(err) // a scheme is data
				}
				text = string(written)
			}
			if !yield("scheme "+v.Type().Field(i).Tag.Get("yaml"), text) {
				return
			}
		}
	}
}

func describe(h webhook.Handshake) string {
	text := cmp.Or(h.Method, http.MethodPost)
	if len(h.When) > 0 {
		text += " with " + strings.Join(h.When, " and ")
	}
	if h.Unsigned {
		text += ", unsigned"
	}
	text += ": answered by hookpass"
	if h.Visit != "" {
		text += ", once it has visited " + strings.Join(strings.Fields(h.Visit)[:2], " ")
	}
	return text
}

// caddyfile is a configuration with what the provider needs and no more.
func (e entry) caddyfile() string {
	f := first{entry: e, app: defaultApp, secretEnv: variableOf(e.ID, "webhook_secret")}
	if e.facts.SignsURL {
		f.publicURL = "https://hooks.example.com # scheme and host of the address that the provider has"
	}
	return f.caddyfile()
}

// secretAddress is a configuration for a provider that signs nothing, but can be
// given an address that nobody else knows. It does not look for copies: genuine
// deliveries may have equal bodies, as Mollie's have.
func secretAddress(name string) string {
	var b strings.Builder
	writeSite(&b, ":"+firstPort, name, fmt.Sprintf(`{
			name %s
			secret %s
			scheme token {
				signature query token
			}
			dedup off
		}`, name, variable(name, "webhook_secret")), defaultApp)
	return b.String()
}

// variable is the placeholder of the environment's variable, for a setting of a
// provider.
func variable(name, setting string) string { return "{env." + variableOf(name, setting) + "}" }

func variableOf(name, setting string) string {
	return strings.ToUpper(strings.ReplaceAll(name+"_"+setting, "-", "_"))
}

func path(name string) string { return "/webhooks/" + name }

func writeSite(b *strings.Builder, address, name, endpoint, app string) {
	fmt.Fprintf(b, "%s {\n\troute %s {\n\t\tverify_webhook %s\n\t\treverse_proxy %s\n\t}\n}\n", address, path(name), endpoint, app)
}

// writeServers allows the header fields that Caddy removes unless told.
func (e entry) writeServers(b *strings.Builder) {
	var lines strings.Builder
	for _, kind := range []struct{ sign, option string }{
		{"_", "expected_underscore_headers"},
		{".", "expected_dot_headers"},
	} {
		names := slices.DeleteFunc(slices.Clone(e.facts.Header), func(name string) bool { return !strings.Contains(name, kind.sign) })
		if len(names) > 0 {
			fmt.Fprintf(&lines, "\t\t%s %s\n", kind.option, strings.Join(names, " "))
		}
	}
	if lines.Len() > 0 {
		fmt.Fprintf(b, "{\n\tservers {\n%s\t}\n}\n", lines.String())
	}
}
