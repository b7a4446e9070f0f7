package catalog

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookpass/hookpass/webhook"
)

func TestEveryFileIsUsable(t *testing.T) {
	ids := IDs()
	for _, id := range []string{"github", "sally", "saltare", "shopify", "slack", "standard-webhooks", "stripe"} {
		if !slices.Contains(ids, id) {
			t.Errorf("%s is not in the catalogue", id)
		}
	}
	for _, id := range ids {
		p, err := Lookup(id)
		if err != nil {
			t.Error(err)
			continue
		}
		facts, err := p.Scheme.Facts()
		if err != nil {
			t.Fatal(err)
		}
		if !facts.SignsID && facts.HasID && !strings.Contains(p.Note, "key content") {
			t.Errorf("%s: its delivery id is not signed: the note must name \"key content\"", id)
		}
		for _, v := range p.Vectors {
			if facts.HasTimestamp == v.Time.IsZero() {
				t.Errorf("%s: a vector needs a time if, and only if, the scheme has one", id)
			}
			if !v.Published() && !strings.HasPrefix(v.Source, "computed with ") {
				t.Errorf("%s: the source of a vector is an https address, or \"computed with\" and the program, not %q", id, v.Source)
			}
		}
	}
}

func TestLookupUnknown(t *testing.T) {
	for word, near := range map[string]string{"strip": "stripe", "Github": "github", "salty": "sally", "../catalog": "saltare"} {
		_, err := Lookup(word)
		if !errors.Is(err, ErrUnknownProvider) || !strings.Contains(err.Error(), "did you mean") {
			t.Errorf("%s: %v", word, err)
		}
		if word != "../catalog" && !strings.Contains(err.Error(), `"`+near+`"`) {
			t.Errorf("%s: %v does not offer %s", word, err, near)
		}
	}
}

const usable = `
name: Acme
category: test
secret: Somewhere.
scheme:
  type: hmac
  algorithm: sha256
  signature: header X-Sig
  encoding: hex
  signed: "{body}"
`

func TestUnusableFiles(t *testing.T) {
	if _, err := Parse("acme.yaml", []byte(usable)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text, says string }{
		{"empty", "", "it is empty"},
		{"two documents", usable + "---\n" + usable, "more than one document"},
		{"no YAML", usable + "\tcolour: red\n", "line 11: found character"},
		{"unknown word", usable + "colour: red\n", "line 11: field colour not found"},
		{"two unknown words", usable + "colour: red\nshape: round\n", "catalog.Provider; line 12: field shape"},
		{"unknown word in the scheme", strings.Replace(usable, "encoding", "enconding", 1), "line 9: field enconding"},
		{"repeated word", usable + "name: Again\n", "line 11: mapping key \"name\" already defined at line 2"},
		{"no name", strings.Replace(usable, "name: Acme", "", 1), "line 1: name is missing"},
		{"empty secret", strings.Replace(usable, "Somewhere.", `""`, 1), "line 4: secret is missing"},
		{"alias that cannot be written", usable + "aliases: [Acme Corp]\n", `line 11: "Acme Corp" is no provider's name`},
		{"bad scheme", strings.Replace(usable, "sha256", "md4", 1), `line 7: scheme: algorithm "md4"`},
		{"word of the scheme missing", strings.Replace(usable, "  signature: header X-Sig\n", "", 1), "line 5: scheme: no signature"},
		{"tolerance without a timestamp", usable + "tolerance: 5m\n", "line 11: tolerance without a timestamp"},
		{"negative duration", usable + "retries: {for: -1h}\n", `line 11: "-1h" is no duration`},
		{"answer that says no", usable + "received: {status: 404}\n", "line 11: received status 404"},
		{"size without sense", usable + "max_body: big\n", `line 11: "big" is no size`},
		{"dedup that is not off", usable + "dedup: content\n", "write \"off\""},
		{"dedup off beside an id", strings.Replace(usable, "  encoding", "  delivery_id: header X-Id\n  encoding", 1) + "dedup: \"off\"\n", "no delivery_id"},
		{"parameter not described", strings.Replace(usable, "{body}", "{with:account}{body}", 1), "{with:account}"},
		{"parameter not used", usable + "with: {account: The account.}\n", "line 11: with describes a parameter that nothing uses"},
		{"bad handshake", usable + "handshakes: [{text: hi}]\n", "line 11: scheme: handshake"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("/etc/hookpass/acme.yaml", []byte(tt.text))
			if !errors.Is(err, ErrProviderFile) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "provider file /etc/hookpass/acme.yaml: ") {
				t.Errorf("got %v, want it to say %q", err, tt.says)
			}
		})
	}
	if _, err := Parse("Acme Corp.yaml", []byte(usable)); !errors.Is(err, ErrProviderFile) || !strings.Contains(err.Error(), "lower-case") {
		t.Errorf("file name that is no id: %v", err)
	}
}

func TestDurationsAndSizesAreWrittenAsInAFile(t *testing.T) {
	for _, text := range []string{"5m", "72h", "1h30m", "90s", "1h0m5s", "100ms"} {
		parsed, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := time.ParseDuration(Duration(parsed).String()); err != nil || again != parsed {
			t.Errorf("%s is written as %s", text, Duration(parsed))
		}
	}
	for d, want := range map[time.Duration]string{5 * time.Minute: "5m", 72 * time.Hour: "72h", 90 * time.Minute: "1h30m", time.Minute + time.Second: "1m1s", 10 * time.Second: "10s", 20 * time.Hour: "20h"} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%s is written as %s", want, got)
		}
	}
	for size, want := range map[Size]string{25 << 20: "25MiB", 512 << 10: "512KiB", 1000: "1000B"} {
		if got := size.String(); got != want {
			t.Errorf("%s is written as %s", want, got)
		}
	}
}

func TestDefaults(t *testing.T) {
	stamped := webhook.Scheme{
		Type: webhook.TypeHMAC, Algorithm: "sha256", Encoding: "hex",
		Signature: "header X-Sig t={timestamp},v1={signature}", Signed: "{timestamp}{body}",
	}
	bare := stamped
	bare.Signature, bare.Signed = "header X-Sig", "{body}"
	hours := func(n int) Duration { return Duration(time.Duration(n) * time.Hour) }
	for _, tt := range []struct {
		name           string
		provider       Provider
		maxAge, window time.Duration
	}{
		{"no timestamp, no retries", Provider{Scheme: bare}, 0, 24 * time.Hour},
		{"no timestamp, long retries", Provider{Scheme: bare, Retries: Retries{For: hours(48)}}, 0, 48 * time.Hour},
		{"timestamp", Provider{Scheme: stamped}, 5 * time.Minute, 24 * time.Hour},
		{"own tolerance", Provider{Scheme: stamped, Tolerance: hours(1)}, time.Hour, 24 * time.Hour},
		{"retries signed anew", Provider{Scheme: stamped, Retries: Retries{For: hours(48)}}, 5 * time.Minute, 48 * time.Hour},
		{"retries with the first timestamp", Provider{Scheme: stamped, Retries: Retries{For: hours(48), OriginalTimestamp: true}}, 48 * time.Hour, 48*time.Hour + 5*time.Minute},
	} {
		if age, window := tt.provider.MaxAge(), tt.provider.Window(); age != tt.maxAge || window != tt.window {
			t.Errorf("%s: accepted for %s, remembered for %s; want %s and %s", tt.name, age, window, tt.maxAge, tt.window)
		}
	}
}
