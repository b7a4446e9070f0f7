package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hookpass/hookpass/catalog"
)

// printMarkdown writes docs/providers.md.
func (p *providers) printMarkdown(found []entry) error {
	byCategory := map[string][]entry{}
	for _, e := range found {
		byCategory[e.Category] = append(byCategory[e.Category], e)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Providers

<!-- Made from catalog/ by "go run ./cmd/hookpass providers --markdown": change it there. -->

These are the %d providers that hookpass knows. What each of them needs, with lines for the
Caddyfile, is printed by

    hookpass providers stripe

"Signed" says what nobody can alter: the body, or the parts of it that count; the time,
so that an old delivery is refused; and the delivery id, so that a copy is known for one.
Without time and id, somebody who captured a delivery can send it under another id;
`+"`key content`"+` in the `+"`dedup`"+` block stops that, at the cost of genuine events with equal
bodies. Where nothing is signed, a password travels with each delivery: whoever has seen
one delivery can forge others, so that TLS is all that protects it.

"Proof" says by what the tests know that hookpass is right: the provider's own SDK, signed
deliveries that were published, and some that independent software computed. Where the
secret itself is sent there is nothing to compute: its place is stated by the documentation.
`, len(found))
	for _, category := range slices.Sorted(maps.Keys(byCategory)) {
		fmt.Fprintf(&b, "\n## %s\n\n| id | provider | scheme | delivery id | signed | proof |\n|---|---|---|---|---|---|\n", category)
		for _, e := range byCategory[category] {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n",
				codes(append([]string{e.ID}, e.Aliases...)...), link(e.Name, e.Docs), strings.ReplaceAll(e.algorithm(), "|", " or "), cell(e.Scheme.DeliveryID), e.signed(), proofOf(e.Provider))
		}
	}
	fmt.Fprintf(&b, unsignedPart, secretAddress("docker-hub"))
	for _, name := range slices.Sorted(maps.Keys(catalog.UnsignedProviders())) {
		u := catalog.UnsignedProviders()[name]
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", codes(name), link(u.Name, u.Docs), u.Why, u.Instead)
	}
	_, err := fmt.Fprint(p.output, b.String())
	return err
}

const unsignedPart = `
## Without a signature

Nothing in a delivery of these tells it from a forged one, so that hookpass has no file
for them. An address that nobody can guess is what is left. Here the provider is given
` + "`https://hooks.example.com/webhooks/docker-hub?token=SECRET`" + `:

` + "```caddyfile" + `
%s` + "```" + `

Such a secret stands in every log of addresses, so change it from time to time; two
` + "`secret`" + ` lines let the old one pass meanwhile. Where the provider publishes its IP
addresses, let only those reach the route, by Caddy's ` + "`remote_ip`" + ` matcher. Copies are
forwarded, too: without an id, nothing tells them from another event with the same body.
` + "`hookpass providers --why docker-hub`" + ` says the same as this table:

| id | provider | why | instead |
|---|---|---|---|
`

func codes(names ...string) string { return "`" + strings.Join(names, "`, `") + "`" }

// cell writes a place as code; a bar would end the cell.
func cell(place string) string {
	if place == "" {
		return "–"
	}
	return codes(strings.ReplaceAll(place, "|", " or "))
}

func link(name, docs string) string {
	if docs == "" {
		return name
	}
	return fmt.Sprintf("[%s](%s)", name, docs)
}
