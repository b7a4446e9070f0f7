package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/interop/sdks"
)

func runProviders(args ...string) (output string, err error) {
	var text bytes.Buffer
	p := &providers{output: &text}
	flags := p.flags()
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	err = p.run(flags.Args())
	return text.String(), err
}

// listed returns the ids of a table.
func listed(t *testing.T, args ...string) (ids []string) {
	t.Helper()
	output, err := runProviders(args...)
	if err != nil {
		t.Fatal(err)
	}
	head, rows, _ := strings.Cut(output, "\n")
	if !strings.HasPrefix(head, "ID ") {
		t.Fatalf("no table: %s", output)
	}
	for row := range strings.Lines(rows) {
		ids = append(ids, strings.Fields(row)[0])
	}
	return ids
}

func TestTableListsAllProviders(t *testing.T) {
	if got := listed(t); !slices.Equal(got, catalog.IDs()) {
		t.Errorf("it lists %v", got)
	}
}

func TestSearch(t *testing.T) {
	for _, tt := range []struct {
		args            []string
		finds, findsNot string
	}{
		{[]string{"payments"}, "stripe", "github"},
		{[]string{"PAYMENTS"}, "stripe", "github"},
		{[]string{"git"}, "github", "stripe"},
		{[]string{"standard", "devtools"}, "standard-webhooks", "github"},
		{[]string{"--header", "x-hub-signature-256"}, "github", "stripe"},
		{[]string{"--header", "Stripe-Signature"}, "stripe", "github"},
		{[]string{"--header", "x-hub-signature-256", "github"}, "github", "stripe"},
	} {
		if got := listed(t, tt.args...); !slices.Contains(got, tt.finds) || slices.Contains(got, tt.findsNot) {
			t.Errorf("%v finds %v", tt.args, got)
		}
	}
}

func TestSearchInVain(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want error
		says string
	}{
		{[]string{"strype"}, catalog.ErrUnknownProvider, `did you mean "stripe"?`},
		{[]string{"docker-hub"}, catalog.ErrUnsigned, "Put a secret into the address"},
		{[]string{"stripe", "logistics"}, errNotFound, "none has all of stripe, logistics"},
		{[]string{"--header", "X-None"}, errNotFound, "none of them sends the header field X-None"},
		{[]string{"--header", "Stripe-Signature", "github"}, errNotFound, "Stripe-Signature"},
		{[]string{"--why", "strype"}, catalog.ErrUnknownProvider, `did you mean "stripe"?`},
	} {
		output, err := runProviders(tt.args...)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || output != "" {
			t.Errorf("%v: %v, %q", tt.args, err, output)
		}
	}
}

func TestOneProvider(t *testing.T) {
	output, err := runProviders("slack")
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{
		"Slack\n", "https://docs.slack.dev/authentication/", "signing secret, under Basic Information",
		"v0:{timestamp}:{body}", "refused when older than 5m", "url_verification", "remembered for", "SDK, published, computed",
		"verify_webhook slack {env.SLACK_WEBHOOK_SECRET}",
	} {
		if !strings.Contains(output, says) {
			t.Errorf("it does not say %q:\n%s", says, output)
		}
	}
}

func TestAliasIsTheProvider(t *testing.T) {
	byAlias, err := runProviders("maxio")
	if err != nil {
		t.Fatal(err)
	}
	if byID, err := runProviders("chargify"); err != nil || byAlias != byID {
		t.Errorf("maxio is\n%s\nand chargify\n%s", byAlias, byID)
	}
}

func TestWhy(t *testing.T) {
	output, err := runProviders("--why", "docker-hub")
	u := catalog.UnsignedProviders()["docker-hub"]
	if err != nil || !strings.Contains(output, u.Why) || !strings.Contains(output, u.Instead) {
		t.Errorf("%v, %s", err, output)
	}
	output, err = runProviders("--why", "stripe")
	if err != nil || !strings.Contains(output, "hookpass providers stripe") {
		t.Errorf("%v, %s", err, output)
	}
}

// What is printed for a provider is a configuration that loads as it stands.
func TestCaddyfileOfEveryProvider(t *testing.T) {
	for _, id := range catalog.IDs() {
		t.Run(id, func(t *testing.T) {
			output, err := runProviders(id)
			if err != nil {
				t.Fatal(err)
			}
			loads(t, output, lookup(t, id).Vectors[0].Secret)
		})
	}
}

func TestCaddyfileOfEveryUnsignedProvider(t *testing.T) {
	for name := range catalog.UnsignedProviders() {
		output, err := runProviders("--why", name)
		if err != nil {
			t.Fatal(err)
		}
		loads(t, output, "secret in the address")
	}
}

// loads checks the Caddyfile at the end of an output.
func loads(t *testing.T, output, secret string) {
	t.Helper()
	_, caddyfile, _ := strings.Cut(output, "n the Caddyfile:\n\n")
	hasSecret := false
	for _, variable := range regexp.MustCompile(`(\w+) \{env\.(\w+)\}`).FindAllStringSubmatch(caddyfile, -1) {
		t.Setenv(variable[2], "example.com") // of a parameter
		if strings.HasSuffix(variable[2], "_WEBHOOK_SECRET") {
			hasSecret = true
			t.Setenv(variable[2], secret)
		}
	}
	if hasSecret != (secret != "") { // where the keys are fetched there is none
		t.Fatalf("the secret is %q:\n%s", secret, output)
	}
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v\n%s", err, warnings, caddyfile)
	}
	var c caddy.Config
	if err := json.Unmarshal(config, &c); err != nil {
		t.Fatal(err)
	}
	c.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{
		caddy.DefaultLoggerName: {BaseLog: caddy.BaseLog{WriterRaw: json.RawMessage(`{"output":"discard"}`)}},
	}}
	if err := caddy.Validate(&c); err != nil {
		t.Errorf("%v\n%s", err, caddyfile)
	}
}

func TestCaddyfileHasWhatTheSchemeNeeds(t *testing.T) {
	const file = `
name: Acme
category: test
secret: Somewhere.
scheme:
  type: hmac
  algorithm: sha256
  signature: header X_Acme_Signature
  encoding: hex
  signed: "{url}{with:account}{body}"
with:
  account: The account.
`
	p, err := catalog.Parse("acme-corp.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	facts, err := p.Scheme.Facts()
	if err != nil {
		t.Fatal(err)
	}
	got := entry{p, facts}.caddyfile()
	for _, line := range []string{
		"expected_underscore_headers X_acme_signature\n", "secret {env.ACME_CORP_WEBHOOK_SECRET}\n",
		"with account {env.ACME_CORP_ACCOUNT}\n", "public_url https://",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
}

func TestJSON(t *testing.T) {
	output, err := runProviders("--json")
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	if err := json.Unmarshal([]byte(output), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != len(catalog.IDs()) {
		t.Errorf("%d of %d providers", len(all), len(catalog.IDs()))
	}
	word := regexp.MustCompile(`^[a-z_]+$`)
	for _, p := range all {
		for key := range p {
			if !word.MatchString(key) || key == "vectors" {
				t.Errorf("%s: %s should not be there", p["id"], key)
			}
		}
	}
	stripe := all[slices.IndexFunc(all, func(p map[string]any) bool { return p["id"] == "stripe" })]
	derived := stripe["derived"].(map[string]any)
	for key, want := range map[string]any{"signs_body": true, "signs_time": true, "signs_id": true, "max_age": "5m", "window": "72h"} {
		if derived[key] != want {
			t.Errorf("%s is %v", key, derived[key])
		}
	}
}

func TestProof(t *testing.T) {
	output, err := runProviders("--proof", "github")
	if err != nil {
		t.Fatal(err)
	}
	const want = "1 providers 1 100 % whose own SDK agrees with hookpass 1 100 % with a published vector 1 100 % with a vector that independent software computed 0 0 % that send the secret itself, in the place that their documentation states"
	if got := strings.Join(strings.Fields(output), " "); got != want {
		t.Errorf("%s", got)
	}
}

func TestEveryProviderIsProven(t *testing.T) {
	for _, id := range catalog.IDs() {
		if kinds := proofOf(lookup(t, id)).kinds(); len(kinds) == 0 {
			t.Errorf("%s is proven by nothing", id)
		}
	}
	for _, id := range sdks.Proven() {
		if _, err := catalog.Lookup(id); err != nil {
			t.Errorf("an SDK proves what is not there: %v", err)
		}
	}
}

// Whoever changes the catalogue makes its page anew.
func TestPageOfTheProvidersIsFresh(t *testing.T) {
	want, err := runProviders("--markdown")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/providers.md")
	if err != nil || string(got) != want {
		t.Errorf("docs/providers.md is stale (%v): run\n\n\tgo run ./cmd/hookpass providers --markdown > docs/providers.md", err)
	}
}
