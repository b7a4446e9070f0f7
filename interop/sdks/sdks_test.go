// Package sdks asks the SDKs by which providers themselves sign and verify what
// they think of a delivery, and expects hookpass to think the same: of one that
// is genuine, and of every way to spoil it. What the SDKs are called, and how, is
// in the scripts beside this file.
package sdks

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/internal/nodejs"
	"github.com/hookpass/hookpass/keyfetch"
	"github.com/hookpass/hookpass/webhook"
)

var update = flag.Bool("update", false, "write the list of the providers that are proven")

// proven lists the providers whose SDK agrees with hookpass, one a line.
const proven = "proven.txt"

func TestSDKs(t *testing.T) {
	nodejs.Install(t, ".")
	n := nodejs.Start(t, "sdks.mjs")
	var list struct {
		Providers []provider `json:"providers"`
	}
	n.Ask(t, task{Action: "list"}, &list)
	slices.SortFunc(list.Providers, func(a, b provider) int { return strings.Compare(a.ID, b.ID) })
	var ids strings.Builder
	judged := 0
	for _, p := range list.Providers {
		agree := t.Run(p.ID, func(t *testing.T) {
			judged++
			testSDK(t, n, p)
		})
		if agree {
			fmt.Fprintln(&ids, p.ID)
		}
	}
	if t.Failed() || judged < len(list.Providers) {
		return // some were not asked for
	}
	t.Logf("hookpass agrees with the SDKs of %d providers", judged)
	if *update {
		if err := os.WriteFile(proven, []byte(ids.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(proven); err != nil || string(text) != ids.String() {
		t.Errorf("%s is stale (%v): run go test ./interop/sdks -update", proven, err)
	}
}

// notes are the texts that deliveries carry: what a JSON encoder, a form or a
// careless conversion would change.
var notes = map[string]string{
	"plain":             "note of an order",
	"text beyond ASCII": "note Zoë ☕ 🚀 Ωمرحبا",
	"markup":            `note <a href="/?a=1&b=2">50 % + 5</a> \ 'quoted'`,
}

func testSDK(t *testing.T, n *nodejs.Script, p provider) {
	file, err := catalog.Lookup(p.ID)
	if err != nil {
		t.Fatal(err)
	}
	lab := newLab(t, n, p, file)
	// hookpass's signer has nothing to write for {extra}, and a token's issuer, the
	// API key at LiveKit, is in the token only where the scheme asks for it.
	signable := file.Scheme.Signable() == nil && !strings.Contains(file.Scheme.Signature, "{extra}") &&
		(file.Scheme.Type != webhook.TypeJWT || strings.Contains(file.Scheme.Claims, "iss="))
	for name, note := range notes {
		lab.accepted(t, name, lab.deliver(t, note, lab.own, time.Now()))
		if p.Signs && signable {
			lab.accepted(t, name+" signed by hookpass", lab.signed(t, note, lab.own, time.Now()))
		}
	}
	genuine := func() *webhook.Request { return lab.deliver(t, notes["plain"], lab.own, time.Now()) }

	r := genuine()
	if file.Scheme.Signed != "" {
		r.Body[bytes.Index(r.Body, []byte("note"))] ^= 1
		lab.refused(t, "a byte of the body changed", r, webhook.ErrSignatureMismatch)
	}

	r = genuine()
	lab.signature.replace(t, r, spoil)
	lab.refused(t, "digits of the signature changed", r, webhook.ErrSignatureMismatch)

	r = genuine()
	lab.signature.remove(t, r)
	lab.refused(t, "the signature removed", r, webhook.ErrSignatureMissing)

	if at := placeOf(file.Scheme.Timestamp); at.kind == "header" {
		r = genuine()
		at.remove(t, r)
		lab.refused(t, "the timestamp removed", r, webhook.ErrTimestampMissing)
	}

	lab.refused(t, "another secret", lab.deliver(t, notes["plain"], lab.other, time.Now()), webhook.ErrSignatureMismatch)

	if facts, _ := file.Scheme.Facts(); facts.HasTimestamp {
		r = lab.deliver(t, notes["plain"], lab.own, time.Now().Add(-file.MaxAge()-24*time.Hour))
		lab.refusedByHookpass(t, "signed long ago", r, webhook.ErrTimestampTooOld)
		if refusal, _ := lab.ask(t, r); (refusal == "") != p.Ageless {
			t.Errorf("signed long ago: the SDK says %q, and is said to be ageless: %t", refusal, p.Ageless)
		}
	}

	lab.takesNothingElse(t)
}

// lab is where hookpass and an SDK look at the same deliveries.
type lab struct {
	node       *nodejs.Script
	provider   provider
	file       *catalog.Provider
	signature  place
	own, other keys
	verifier   *webhook.Verifier
}

func newLab(t *testing.T, n *nodejs.Script, p provider, file *catalog.Provider) *lab {
	t.Helper()
	l := &lab{node: n, provider: p, file: file, signature: placeOf(cmp.Or(file.Scheme.Signature, "header Authorization"))}
	if p.Keys {
		n.Ask(t, task{Action: "keys", Provider: p.ID}, &l.own)
		n.Ask(t, task{Action: "keys", Provider: p.ID}, &l.other)
	} else {
		secrets := p.Secrets
		if len(secrets) == 0 {
			secrets = usualSecrets(file.Scheme.Key)
		}
		l.own, l.other = keys{Secret: secrets[0]}, keys{Secret: secrets[1]}
	}
	var secrets []webhook.Secret
	facts, err := file.Scheme.Facts()
	if err != nil {
		t.Fatal(err)
	}
	if !facts.FetchesKeys {
		secrets = append(secrets, l.secret(t, l.own))
	}
	l.verifier, err = webhook.NewVerifier(file.Scheme, secrets, file.MaxAge(), p.With)
	if err != nil {
		t.Fatal(err)
	}
	l.verifier.FetchFrom(source{keyfetch.New(published(l.own.Secret), nil)})
	return l
}

func (l *lab) secret(t *testing.T, k keys) webhook.Secret {
	t.Helper()
	s, err := webhook.ParseSecret("", k.Secret, l.file.Scheme.Key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const id, event = "evt_3f9c2a", "order.paid"

// deliver makes a delivery that the SDK has signed or, if it only verifies,
// hookpass's signer.
func (l *lab) deliver(t *testing.T, note string, by keys, at time.Time) *webhook.Request {
	t.Helper()
	if !l.provider.Signs {
		return l.signed(t, note, by, at)
	}
	return l.made(t, task{keys: by, Note: note, Time: at})
}

// signed makes a delivery that hookpass's signer has signed.
func (l *lab) signed(t *testing.T, note string, by keys, at time.Time) *webhook.Request {
	t.Helper()
	r := l.made(t, task{keys: by, Note: note, Time: at, Bare: true})
	signer, err := webhook.NewSigner(l.file.Scheme, l.secret(t, by), l.provider.With)
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.Sign(r, id, event, at); err != nil {
		t.Fatal(err)
	}
	if address, _, _ := strings.Cut(r.URL, "?"); l.signature.kind == "query" {
		setURL(t, r, address+"?"+r.Query)
	}
	return r
}

func (l *lab) made(t *testing.T, task task) *webhook.Request {
	t.Helper()
	task.Action, task.Provider, task.ID, task.Event, task.Time = "deliver", l.provider.ID, id, event, task.Time.UTC()
	var answer answer
	l.node.Ask(t, task, &answer)
	if answer.Refusal != "" {
		t.Fatal(answer.Refusal)
	}
	return answer.request(t)
}

func (l *lab) accepted(t *testing.T, name string, r *webhook.Request) {
	t.Helper()
	if _, err := l.verifier.Verify(r, time.Now()); err != nil {
		t.Errorf("%s: hookpass refuses: %v", name, err)
	}
	if refusal, _ := l.ask(t, r); refusal != "" {
		t.Errorf("%s: the SDK refuses: %s", name, refusal)
	}
}

func (l *lab) refused(t *testing.T, name string, r *webhook.Request, want error) {
	t.Helper()
	l.refusedByHookpass(t, name, r, want)
	refusal, crash := l.ask(t, r)
	if refusal == "" {
		t.Errorf("%s: the SDK accepts", name)
	}
	if crash && errors.Is(want, webhook.ErrSignatureMismatch) {
		t.Errorf("%s: the SDK does not judge: %s", name, refusal)
	}
}

func (l *lab) refusedByHookpass(t *testing.T, name string, r *webhook.Request, want error) {
	t.Helper()
	if _, err := l.verifier.Verify(r, time.Now()); !errors.Is(err, want) {
		t.Errorf("%s: hookpass says %v, want %v", name, err, want)
	}
}

// ask has the SDK judge a delivery, and returns why it refuses, and whether it
// could not cope at all.
func (l *lab) ask(t *testing.T, r *webhook.Request) (refusal string, crash bool) {
	t.Helper()
	header := map[string]string{} // as in node:http
	for name := range r.Header {
		header[strings.ToLower(name)] = strings.Join(r.Header[name], ", ")
	}
	var answer answer
	l.node.Ask(t, task{Action: "verify", Provider: l.provider.ID, keys: l.own, Method: r.Method, URL: r.URL, Header: header, Body: string(r.Body)}, &answer)
	return answer.Refusal, answer.Crash
}

// place is where a value travels.
type place struct {
	kind  string
	names []string
}

func placeOf(description string) (p place) {
	words := strings.Fields(description)
	if len(words) > 1 {
		p = place{kind: words[0], names: strings.Split(words[1], "|")}
	}
	return p
}

// digits are what a signature, or the key behind it, is written with.
var digits = regexp.MustCompile(`[0-9A-Za-z+/_-]{27,}={0,2}`)

// spoil exchanges two neighbouring groups of four digits, which in every encoding,
// even in the base64 of hex, leaves something that could be a signature.
func spoil(signature string) string {
	at := 4
	for signature[at:at+4] == signature[at+4:at+8] {
		at += 4
	}
	return signature[:at] + signature[at+4:at+8] + signature[at:at+4] + signature[at+8:]
}

// replace changes the last long run of digits, which is the signature.
func (p place) replace(t *testing.T, r *webhook.Request, change func(string) string) {
	t.Helper()
	changed := func(text string) string {
		runs := digits.FindAllStringIndex(text, -1)
		if len(runs) == 0 {
			t.Fatalf("no signature in %q", text)
		}
		last := runs[len(runs)-1]
		return text[:last[0]] + change(text[last[0]:last[1]]) + text[last[1]:]
	}
	switch p.kind {
	case "header":
		for _, name := range p.names {
			if value := r.Header.Get(name); value != "" {
				r.Header.Set(name, changed(value))
			}
		}
	case "header_json":
		field, _, _ := strings.Cut(p.names[0], ">")
		object, err := base64.StdEncoding.DecodeString(r.Header.Get(field))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(field, base64.StdEncoding.EncodeToString([]byte(changed(string(object)))))
	case "query":
		setURL(t, r, strings.TrimSuffix(r.URL, r.Query)+changed(r.Query))
	default:
		r.Body = []byte(changed(string(r.Body)))
	}
}

func (p place) remove(t *testing.T, r *webhook.Request) {
	t.Helper()
	if p.kind != "header" {
		p.replace(t, r, func(string) string { return "" })
		return
	}
	for _, name := range p.names {
		r.Header.Del(name)
	}
}

// usualSecrets are a secret and another, in the form that the scheme's key has.
func usualSecrets(form webhook.KeyForm) []string {
	name, _, _ := strings.Cut(string(form), " after ")
	switch webhook.KeyForm(name) {
	case webhook.KeyWhsec, webhook.KeyBase64:
		return []string{"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "YW5vdGhlciBzZWNyZXQgYW5vdGhlciBz"}
	case webhook.KeyHex:
		return []string{strings.Repeat("0123456789abcdef", 4), strings.Repeat("fedcba9876543210", 4)}
	default:
		return []string{"a-secret-of-an-example", "another-secret"}
	}
}

// request is the delivery as it arrives.
func (a answer) request(t *testing.T) *webhook.Request {
	t.Helper()
	r := &webhook.Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte(a.Body)}
	for name, value := range a.Header {
		r.Header.Set(name, value)
	}
	setURL(t, r, a.URL)
	return r
}
