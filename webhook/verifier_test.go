package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func bodySigned(change func(*Scheme)) Scheme {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{body}"}
	change(&s)
	return s
}

func TestNoVerifierOfAnUnusableScheme(t *testing.T) {
	for word, s := range map[string]Scheme{
		"algorithm": bodySigned(func(s *Scheme) { s.Algorithm = "sha0" }),
		"timestamp": bodySigned(func(s *Scheme) { s.Signed, s.Timestamp = "{timestamp}.{body}", "trailer X-Time" }),
	} {
		v, err := NewVerifier(s, []Secret{mustSecret(t, "key", KeyText)}, 0, nil)
		var fault *SchemeError
		if !errors.Is(err, ErrScheme) || !errors.As(err, &fault) || fault.Word != word || v != nil {
			t.Errorf("%s: got %v, %v", word, v, err)
		}
	}
}

func TestEveryParameterHasToBeGiven(t *testing.T) {
	s := bodySigned(func(s *Scheme) { s.Signed = "{with:account}.{body}" })
	for _, with := range []map[string]string{nil, {"other": "1"}, {"account": ""}} {
		if v, err := NewVerifier(s, []Secret{mustSecret(t, "key", KeyText)}, 0, with); !errors.Is(err, ErrScheme) || v != nil {
			t.Errorf("%v: got %v, %v", with, v, err)
		}
	}
}

func TestASchemeWithSecretsFetchesNothing(t *testing.T) {
	mustVerifier(t, bodySigned(func(*Scheme) {}), nil).FetchFrom(shelf{})
}

// What the body will say is no reason to refuse before it is read.
func TestTheHeadIsJudgedByItselfAlone(t *testing.T) {
	for _, tt := range []struct {
		name    string
		scheme  Scheme
		inBody  bool
		want    error
		request Request
	}{
		{"a signature in the body", bodySigned(func(s *Scheme) { s.Signature, s.Signed = "form sig", "{form:id}" }), true, nil, Request{}},
		{
			"a signature and its time in the body",
			bodySigned(func(s *Scheme) {
				s.Signature, s.Signed = "form sig t={timestamp},v1={signature}", "{timestamp}.{form:id}"
			}), true, nil,
			Request{},
		},
		{"no signature in the head", bodySigned(func(*Scheme) {}), false, ErrSignatureMissing, Request{}},
		{
			"two times in the head",
			bodySigned(func(s *Scheme) { s.Signed, s.Timestamp = "{timestamp}.{body}", "header X-Time" }), false, ErrTimestampMalformed,
			Request{Header: http.Header{"X-Sig": {hex.EncodeToString(sum(sha256.New, "key", ".{}"))}, "X-Time": {"1767225600", "1767225601"}}, Body: []byte("{}")},
		},
		{
			"an id in the body", bodySigned(func(s *Scheme) { s.DeliveryID, s.EventType = "form id", "form type" }), false, nil,
			Request{Header: http.Header{"X-Sig": {hex.EncodeToString(make([]byte, sha256.Size))}}, Body: []byte("id=1&type=a")},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := mustVerifier(t, tt.scheme, nil)
			d, err := v.VerifyHeader(&tt.request, arrival)
			if !errors.Is(err, tt.want) || d.ID != "" || d.Event != "" {
				t.Errorf("got %+v, %v; want %v", d, err, tt.want)
			}
			if v.SignatureInBody() != tt.inBody {
				t.Errorf("signature in the body: %t", !tt.inBody)
			}
		})
	}
}

// Two values where the application looks for one are refused wherever they are,
// even in a body that is proven.
func TestConflictsInTheBodyAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		scheme Scheme
		body   string
		signed string
		want   error
	}{
		{"two ids", bodySigned(func(s *Scheme) { s.DeliveryID = "form id" }), "id=1&id=2", "id=1&id=2", ErrSignatureMalformed},
		{"two ids, one of which is signed", bodySigned(func(s *Scheme) { s.DeliveryID, s.Signed = "form id", "{id}.{body}" }), "id=1&id=2", ".id=1&id=3", ErrSignatureMalformed},
		{"two event types", bodySigned(func(s *Scheme) { s.EventType = "form type" }), "type=a&type=b", "type=a&type=b", ErrSignatureMalformed},
		{"two times", bodySigned(func(s *Scheme) { s.Timestamp = "form at" }), "at=1767225600&at=1767225601", "at=1767225600&at=1767225601", ErrTimestampMalformed},
		{"a time with a fraction", bodySigned(func(s *Scheme) { s.Timestamp = "body at" }), `{"at":1767225600.5}`, `{"at":1767225600.5}`, ErrTimestampMalformed},
		{"one time", bodySigned(func(s *Scheme) { s.Timestamp = "body at" }), `{"at":1767225600}`, `{"at":1767225600}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &Request{Header: http.Header{"X-Sig": {hex.EncodeToString(sum(sha256.New, "key", tt.signed))}}, Body: []byte(tt.body)}
			if _, err := mustVerifier(t, tt.scheme, nil).Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestTheFirstOfEqualSecretsIsNamed(t *testing.T) {
	one, _ := ParseSecret("current", "key", KeyText)
	two, _ := ParseSecret("previous", "key", KeyText)
	v, err := NewVerifier(bodySigned(func(*Scheme) {}), []Secret{one, two}, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{Header: http.Header{"X-Sig": {hex.EncodeToString(sum(sha256.New, "key", "{}"))}}, Body: []byte("{}")}
	if d, err := v.Verify(r, arrival); err != nil || d.Secret != "current" {
		t.Errorf("got %+v, %v", d, err)
	}
}

// Whoever signs several times, as while a secret is changed, is believed for one
// right signature, be it the first or the last.
func TestOneRightSignatureIsEnough(t *testing.T) {
	right := hex.EncodeToString(sum(sha256.New, "key", "{}"))
	wrong := hex.EncodeToString(make([]byte, sha256.Size))
	basic := func(text string) string { return "Basic " + text }
	for _, tt := range []struct {
		name         string
		scheme       Scheme
		secret       string
		right, wrong string
	}{
		{"HMAC", bodySigned(func(*Scheme) {}), "key", right, wrong},
		{"token", Scheme{Type: TypeToken, Signature: "header X-Sig"}, "key", "key", "yek"},
		{"basic", Scheme{Type: TypeBasic}, "user:pass", basic("dXNlcjpwYXNz"), basic("dXNlcjpwYXN0")},
	} {
		for order, values := range map[string][]string{"first": {tt.right, tt.wrong}, "last": {tt.wrong, tt.right}} {
			r := &Request{Header: http.Header{"X-Sig": values, "Authorization": values}, Body: []byte("{}")}
			if _, err := mustVerifier(t, tt.scheme, nil, mustSecret(t, tt.secret, KeyText)).Verify(r, arrival); err != nil {
				t.Errorf("%s, right one %s: %v", tt.name, order, err)
			}
		}
	}
}

func TestNothingIsSignedThatCouldBeReadInTwoWays(t *testing.T) {
	signer, err := NewSigner(bodySigned(func(s *Scheme) { s.Signed = "{header:X-Account}.{body}" }), mustSecret(t, "key", KeyText), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{Header: http.Header{"X-Account": {"1", "2"}}, Body: []byte("{}")}
	if err := signer.Sign(r, "", "", arrival); !errors.Is(err, ErrSignatureMalformed) || r.Header.Get("X-Sig") != "" {
		t.Errorf("got %v, and %q", err, r.Header.Get("X-Sig"))
	}
}

// A signature has one spelling, so that a copy in another one is not taken for
// another delivery.
func TestEncodingsTakeOneSpelling(t *testing.T) {
	for _, tt := range []struct {
		encoding encoding
		right    string
		wrong    []string
	}{
		{encodingHex, "0a0b0c", []string{"0a0b0c0", "0a0b0cz", "0a0b0c==", "0a0b0c=", "0a0b0z", " 0a0b0c", "0a0b0c0d", strings.Repeat("0a", 500)}},
		{encodingBase64, "CgsM", []string{"CgsM=", "CgsM==", "CgsMA", "CgsM!", "Cgs!", "CgsMDQ==", "CgsMDQ"}},
		{encodingBase64URL, "CgsM", []string{"CgsM=", "CgsMA", "CgsM!", "CgsMDQ"}},
		{encodingBase64Hex, "MGEwYjBj", []string{"MGEwYjBj!", "MGEwYjBjA", "MGEwYjBjMA==", "MGEwYjBjMA", "MGEwYjBjeg", "!"}},
	} {
		var digest signature
		if !tt.encoding.decode(&digest, tt.right, 3) || string(digest[:3]) != "\n\v\f" {
			t.Errorf("%s: %s is not decoded", tt.encoding, tt.right)
		}
		if b, ok := tt.encoding.bytes(tt.right, 3); !ok || string(b) != "\n\v\f" {
			t.Errorf("%s: %s is not read", tt.encoding, tt.right)
		}
		for _, wrong := range tt.wrong {
			if tt.encoding.decode(&digest, wrong, 3) {
				t.Errorf("%s: %q is decoded", tt.encoding, wrong)
			}
			if _, ok := tt.encoding.bytes(wrong, 3); ok {
				t.Errorf("%s: %q is read", tt.encoding, wrong)
			}
		}
	}
	for text, want := range map[string]bool{"Cgs": true, "Cgs=": true, "Cgs==": false, "Cgt": false} {
		if _, ok := encodingBase64.bytes(text, 2); ok != want {
			t.Errorf("%q: %t", text, ok)
		}
	}
}

// The log tells an operator how far the clocks are apart.
func TestRefusalsTellByHowMuch(t *testing.T) {
	for at, want := range map[time.Time]string{
		arrival.Add(-7 * time.Minute): "by 2m0s", arrival.Add(8 * time.Minute): "by 3m0s",
	} {
		if err := fresh(at, arrival, 5*time.Minute); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", at, err, want)
		}
	}
}

func TestUnixTimesAreSecondsUntilTheYear5138(t *testing.T) {
	for text, want := range map[string]time.Time{"100000000000": time.Unix(1e11, 0), "100000000001": time.UnixMilli(1e11 + 1)} {
		if at, err := (timestamp{unit: "unix"}).parse(text); err != nil || !at.Equal(want) {
			t.Errorf("%s: %s, %v", text, at, err)
		}
	}
}
