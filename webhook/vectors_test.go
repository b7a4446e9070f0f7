package webhook_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

// Every vector of every provider is accepted as it is, and refused for the
// right reason after each tampering.
func TestVectors(t *testing.T) {
	for _, id := range catalog.IDs() {
		p, err := catalog.Lookup(id)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Vectors) == 0 {
			t.Errorf("%s has no vector", id)
		}
		for _, v := range p.Vectors {
			t.Run(id+" from "+v.Source, func(t *testing.T) { testVector(t, p, v) })
		}
	}
}

func testVector(t *testing.T, p *catalog.Provider, v catalog.Vector) {
	verifier := newVerifier(t, p, v.Secret, v.With)
	other := newVerifier(t, p, otherSecret(p), v.With)
	if v.Keys != "" {
		source := publishedAs(v.Keys)
		verifier.FetchFrom(source)
		other.FetchFrom(otherKeys{t, source})
	}
	d, err := verifier.Verify(request(v), v.Time)
	if err != nil {
		t.Fatalf("refused as it is: %v", err)
	}
	if d.ID != v.DeliveryID || d.Event != v.Event || !d.Timestamp.Equal(v.Time) {
		t.Errorf("delivery %q, event %q, time %s; want %q, %q, %s", d.ID, d.Event, d.Timestamp, v.DeliveryID, v.Event, v.Time)
	}
	if d.Secret != "the one" && v.Keys == "" {
		t.Errorf("matched secret %q", d.Secret)
	}

	refused := func(name string, verifier *webhook.Verifier, r *webhook.Request, now time.Time, want error) {
		t.Run(name, func(t *testing.T) {
			if _, err := verifier.Verify(r, now); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		})
	}
	changed := tampered(p, v)
	if facts, _ := p.Scheme.Facts(); len(changed) == 0 && facts.SignsBody {
		t.Error("nothing that is signed could be changed")
	}
	for name, r := range changed {
		refused(name, verifier, r, v.Time, webhook.ErrSignatureMismatch)
	}

	refused("other secret", other, request(v), v.Time, webhook.ErrSignatureMismatch)

	r := request(v)
	replace(r, signaturePlace(p), otherSignature(p))
	refused("signature digit changed", verifier, r, v.Time, webhook.ErrSignatureMismatch)
	if !strings.HasPrefix(signaturePlace(p), "header ") {
		r := request(v)
		replace(r, signaturePlace(p), emptied)
		refused("signature empty", verifier, r, v.Time, webhook.ErrSignatureMissing)
	}

	for name := range v.Header {
		want := missingCause(p, name)
		if want == nil {
			continue
		}
		r := request(v)
		r.Header.Del(name)
		refused(name+" missing", verifier, r, v.Time, want)
		r = request(v)
		r.Header.Set(name, "")
		refused(name+" empty", verifier, r, v.Time, want)
	}
	facts, _ := p.Scheme.Facts()
	if facts.Proof == webhook.ProofToken {
		// A token proves the sender alone, and nothing may suggest otherwise; a JWT
		// says when it was made, too.
		if facts.SignsID || facts.SignsBody || facts.HasTimestamp && p.Scheme.Type != webhook.TypeJWT {
			t.Errorf("a token covers nothing, but the facts are %+v", facts)
		}
		for name, r := range otherContent(p, v) {
			if _, err := verifier.Verify(r, v.Time); err != nil {
				t.Errorf("%s, which a token does not cover: %v", name, err)
			}
		}
	}
	for name, value := range malformed(p, v) {
		r := request(v)
		r.Header.Set("Authorization", value)
		refused(name, verifier, r, v.Time, webhook.ErrSignatureMalformed)
	}
	if facts.HasTimestamp {
		age := p.MaxAge()
		ahead := min(age, webhook.MaxFuture)
		refused("too old", verifier, request(v), v.Time.Add(age+time.Second), webhook.ErrTimestampTooOld)
		refused("too new", verifier, request(v), v.Time.Add(-ahead-time.Second), webhook.ErrTimestampTooNew)
		for _, age := range []time.Duration{age, -ahead} {
			if _, err := verifier.Verify(request(v), v.Time.Add(age)); err != nil {
				t.Errorf("at an age of exactly %s: %v", age, err)
			}
		}
	}
}

// missingCause is what must be said of a delivery without the header, nil if
// the signature does not depend on it.
func missingCause(p *catalog.Provider, header string) error {
	switch {
	case travelsIn(signaturePlace(p), header):
		return webhook.ErrSignatureMissing
	case travelsIn(p.Scheme.Timestamp, header):
		return webhook.ErrTimestampMissing
	case travelsIn(p.Scheme.KeyID, header):
		return webhook.ErrSignatureMalformed
	case travelsIn(p.Scheme.DeliveryID, header) && strings.Contains(p.Scheme.Signed, "{id}"):
		return webhook.ErrSignatureMismatch
	default:
		return nil
	}
}

// travelsIn reports whether a place is the header, or in it, or the header by turns.
func travelsIn(place, header string) bool {
	words := strings.Fields(place)
	return len(words) > 1 && strings.HasPrefix(words[0], "header") && slices.ContainsFunc(strings.Split(words[1], "|"), func(name string) bool {
		if words[0] == "header_json" {
			name, _, _ = strings.Cut(name, ">")
		}
		return strings.EqualFold(name, header)
	})
}

func otherSecret(p *catalog.Provider) string {
	form, _, _ := strings.Cut(string(p.Scheme.Key), " after ")
	switch webhook.KeyForm(form) {
	case webhook.KeyWhsec, webhook.KeyBase64:
		return "b3RoZXIgc2VjcmV0IG90aGVyIHNlY3JldA=="
	case webhook.KeyHex:
		return "00112233445566778899aabbccddeeff"
	case webhook.KeyPublic:
		return otherPublicKeys[p.Scheme.Type]
	default:
		return "another:secret"
	}
}

// Public keys from RFC 8032, RFC 6979 and Wise's documentation.
var otherPublicKeys = map[string]string{
	webhook.TypeEd25519: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
	webhook.TypeECDSA:   "3059301306072a8648ce3d020106082a8648ce3d0301070342000460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
	webhook.TypeRSA:     otherRSAKey,
	webhook.TypeRSAPSS:  otherRSAKey,
	webhook.TypeJWT:     otherRSAKey,
	webhook.TypeMessage: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", // none of them takes RSA alone
}

const otherRSAKey = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvO8vXV+JksBzZAY6GhSOXdoTCfhXaaiZ+qAbtaDBiu2AGkGVpmEygFmWP4Li9m5+Ni85BhVvZOodM9epgW3FbA5Q1SexvAF1PPjX4JpMstak/QhAgl1qMSqEevL8cmUeTgcMuVWCJmlge9h7B1CSD4rtlimGZozG39rUBDg6Qt2K+P4wBfLblL0k4C4YUdLnpGYEDIth+i8XsRpFlogxCAFyH9+knYsDbR43UJ9shtc42Ybd40Afihj8KnYKXzchyQ42aC8aZ/h5hyZ28yVyOj3Vos0VdBIs/gAyJ/4yyQFCXYte64I7ssrlbGRaco4nKF3HmaNhxwyKyJafz19eHwIDAQAB"

func request(v catalog.Vector) *webhook.Request {
	r := &webhook.Request{Method: v.Method, URL: v.URL, Header: http.Header{}, Body: []byte(v.Body)}
	if address, err := url.Parse(v.URL); err == nil {
		r.Path, r.Query = address.EscapedPath(), address.RawQuery
	}
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	for name, value := range v.Header {
		r.Header.Set(name, value)
	}
	return r
}

func newVerifier(t testing.TB, p *catalog.Provider, secret string, with map[string]string) *webhook.Verifier {
	t.Helper()
	var secrets []webhook.Secret
	if facts, _ := p.Scheme.Facts(); !facts.FetchesKeys {
		s, err := webhook.ParseSecret("the one", secret, p.Scheme.Key)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, s)
	}
	v, err := webhook.NewVerifier(p.Scheme, secrets, p.MaxAge(), with)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
