package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Each row is a description that must not be taken, and the word that its error
// must name.
func TestUnusableSchemes(t *testing.T) {
	usable := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{body}"}
	if _, err := usable.Facts(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*Scheme)
		says   string
	}{
		{"no type", func(s *Scheme) { s.Type = "" }, "hmac"},
		{"unknown type", func(s *Scheme) { s.Type = "hmca" }, `"hmca"`},
		{"no algorithm", func(s *Scheme) { s.Algorithm = "" }, "write sha1, sha256"},
		{"md4", func(s *Scheme) { s.Algorithm = "md4" }, `"md4"`},
		{"unknown key form", func(s *Scheme) { s.Key = "pem" }, `key "pem"`},
		{"key after nothing", func(s *Scheme) { s.Key = "text after " }, `key "text after "`},
		{"no encoding", func(s *Scheme) { s.Encoding = "" }, "write hex"},
		{"no signature", func(s *Scheme) { s.Signature = "" }, "no signature"},
		{"signature nowhere", func(s *Scheme) { s.Signature = "X-Sig" }, "header NAME"},
		{"signature without a name", func(s *Scheme) { s.Signature = "header" }, "one name"},
		{"format without signature", func(s *Scheme) { s.Signature = "header X-Sig t={timestamp}" }, "{signature} once"},
		{"format with two signatures", func(s *Scheme) { s.Signature = "header X-Sig a={signature},b={signature}" }, "{signature} once"},
		{"format without separator", func(s *Scheme) { s.Signature = "header X-Sig {timestamp}{signature}" }, "separator"},
		{"format with another placeholder", func(s *Scheme) { s.Signature = "header X-Sig {sig}" }, "without {signature}"},
		{"format that repeats timestamps", func(s *Scheme) { s.Signature = "header X-Sig {signature},{timestamp},..." }, "must repeat a {signature}"},
		{"format whose sets look like its parts", func(s *Scheme) { s.Signature = "header X-Sig t={timestamp},v={signature}=..." }, "separator of its own"},
		{"format that repeats nothing", func(s *Scheme) { s.Signature = "header X-Sig ..." }, "repeats nothing"},
		{"format whose separator is a digit of the signature", func(s *Scheme) { s.Signature = "header X-Sig {signature}e..." }, "a signature may hold"},
		{"nothing signed", func(s *Scheme) { s.Signed = "" }, "signed is empty"},
		{"body not signed", func(s *Scheme) { s.Signed, s.Timestamp = "{timestamp}", "header X-Time" }, "add {body}"},
		{"open brace", func(s *Scheme) { s.Signed = "{body" }, "without its }"},
		{"unknown placeholder", func(s *Scheme) { s.Signed = "{boddy}" }, "{boddy}"},
		{"placeholder without its argument", func(s *Scheme) { s.Signed = "{body}{header:}" }, "{header:}"},
		{"json path with an empty part", func(s *Scheme) { s.Signed = "{json:a..b}" }, "one name"},
		{"timestamp signed but nowhere", func(s *Scheme) { s.Signed = "{timestamp}.{body}" }, "timestamp header X-Timestamp"},
		{"timestamp not signed", func(s *Scheme) { s.Timestamp = "header X-Time" }, "does not cover the timestamp"},
		{"timestamp in the format not signed", func(s *Scheme) { s.Signature = "header X-Sig t={timestamp},v1={signature}" }, "does not cover the timestamp"},
		{"timestamp in two places", func(s *Scheme) {
			s.Signature, s.Timestamp = "header X-Sig t={timestamp},v1={signature}", "header X-Time"
		}, `"signature" if, and only if`},
		{"timestamp in a format that has none", func(s *Scheme) { s.Timestamp = "signature" }, "if, and only if"},
		{"unknown unit", func(s *Scheme) { s.Signed, s.Timestamp = "{timestamp}{body}", "header X-Time minutes" }, `"minutes"`},
		{"id signed but nowhere", func(s *Scheme) { s.Signed = "{id}{body}" }, "delivery_id header X-Id"},
		{"id nowhere", func(s *Scheme) { s.DeliveryID = "cookie id" }, "delivery_id"},
		{"event nowhere", func(s *Scheme) { s.EventType = "body" }, "event_type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := usable
			tt.change(&s)
			if _, err := s.Facts(); !errors.Is(err, ErrScheme) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want it to say %q", err, tt.says)
			}
		})
	}
	if _, err := NewVerifier(usable, nil, 0, nil); !errors.Is(err, ErrSecretEmpty) {
		t.Errorf("no secret: %v", err)
	}
	if _, err := NewVerifier(usable, []Secret{{}}, 0, nil); !errors.Is(err, ErrSecretEmpty) {
		t.Errorf("zero secret: %v", err)
	}
	usable.Signed = "{with:account}{body}"
	if _, err := NewVerifier(usable, []Secret{mustSecret(t, "key", KeyText)}, 0, nil); !errors.Is(err, ErrScheme) {
		t.Errorf("parameter not given: %v", err)
	}
}

func TestFacts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		scheme Scheme
		want   Facts
	}{
		{"id in a header that is not signed", Scheme{Signed: "{body}", DeliveryID: "header X-Id"}, Facts{HasID: true, Header: []string{"X-Sig", "X-Id"}}},
		{"id in the body", Scheme{Signed: "{body}", DeliveryID: "body id"}, Facts{HasID: true, SignsID: true, Header: []string{"X-Sig"}}},
		{"id signed by name", Scheme{Signed: "{id}.{body}", DeliveryID: "header X-Id"}, Facts{HasID: true, SignsID: true, Header: []string{"X-Sig", "X-Id"}}},
		{"id signed as a header", Scheme{Signed: "{header:x-id}.{body}", DeliveryID: "header X-ID"}, Facts{HasID: true, SignsID: true, Header: []string{"X-Sig", "X-Id", "X-Id"}}},
		{"id in a field that is not signed", Scheme{Signed: "{json:amount}", DeliveryID: "body id"}, Facts{HasID: true, Header: []string{"X-Sig"}}},
		{"id of two fields that are signed", Scheme{Signed: "{json:a}{json:b}", DeliveryID: "body a+b"}, Facts{HasID: true, SignsID: true, Header: []string{"X-Sig"}}},
		{"id of two fields of which one is signed", Scheme{Signed: "{json:a}", DeliveryID: "body a+b"}, Facts{HasID: true, Header: []string{"X-Sig"}}},
		{"id in a signed query", Scheme{Signed: "{url}{body}", DeliveryID: "query id"}, Facts{HasID: true, SignsID: true, SignsURL: true, Header: []string{"X-Sig"}}},
		{"timestamp", Scheme{Signed: "{header:X-Time}.{body}", Timestamp: "header x-time"}, Facts{HasTimestamp: true, Header: []string{"X-Sig", "X-Time", "X-Time"}}},
		{"parameter", Scheme{Signed: "{with:a}{body}"}, Facts{Parameters: []string{"a"}, Header: []string{"X-Sig"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.scheme.Type, tt.scheme.Algorithm, tt.scheme.Encoding, tt.scheme.Signature = TypeHMAC, "sha256", "hex", "header x-sig"
			tt.want.SignsBody = true // else it is no scheme of this type
			tt.want.Proof = ProofSignature
			got, err := tt.scheme.Facts()
			if err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestFactsTellWhereInTheBodyTheProofIs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		scheme Scheme
		want   []string
	}{
		{"in the head", Scheme{Type: TypeToken, Signature: "header X-Token"}, nil},
		{"a field", Scheme{Type: TypeToken, Signature: "body data.to-ken|a*b.token"}, []string{"body data.to-ken", "body a*b.token"}},
		{"a field of elements", Scheme{Type: TypeToken, Signature: "body value.#.clientState"}, []string{"body value.#.clientState"}},
		{"a field of a form", Scheme{Type: TypeToken, Signature: "form token"}, []string{"form token"}},
		{"all of it", Scheme{Type: TypeJWT, Signature: "body", Algorithm: "HS256"}, []string{"body"}},
		{
			"besides", Scheme{
				Type: TypeHMAC, Algorithm: "sha256", Encoding: "hex", Signature: "header X-Sig", Signed: "{body}",
				Require: "body token {with:token}",
			}, []string{"body token"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.scheme.Facts()
			if err != nil || !slices.Equal(got.Body, tt.want) {
				t.Errorf("got %q, %v; want %q", got.Body, err, tt.want)
			}
		})
	}
}

func TestParseSecret(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		form       KeyForm
		want       error
		key        string
	}{
		{"text", "s3cr3t", KeyText, nil, "s3cr3t"},
		{"text keeps its prefix", "whsec_abc", KeyText, nil, "whsec_abc"},
		{"blanks inside", "It's a Secret", "", nil, "It's a Secret"},
		{"hex", "00ff", KeyHex, nil, "\x00\xff"},
		{"base64", "/+8=", KeyBase64, nil, "\xff\xef"},
		{"base64url without padding", "_-8", KeyBase64, nil, "\xff\xef"},
		{"whsec", "whsec_a2V5", KeyWhsec, nil, "key"},
		{"whsec without its prefix", "a2V5", KeyWhsec, nil, "key"},
		// printf secretKey | openssl dgst -sha1
		{"digest", "secretKey", KeySHA1, nil, "\xee\x1b\x50\x76\x10\xb2\xd8\xc3\x66\xec\xe2\x2a\x8d\x89\xc6\x48\x7c\x71\x0d\xb5"},
		{"text after a mark", "app.key:s3cr3t", "text after :", nil, "s3cr3t"},
		{"text after the last mark", "signkey-prod-00ff", "text after -", nil, "00ff"},
		{"text without its mark", "00ff", "text after -", nil, "00ff"},
		{"whsec after a mark", "v1,whsec_a2V5", "whsec after ,", nil, "key"},
		{"nothing after the mark", "app.key:", "text after :", ErrSecretEmpty, ""},
		{"no mark", "x", "text after ", ErrScheme, ""},
		{"empty", "", KeyText, ErrSecretEmpty, ""},
		{"only a prefix", "whsec_", KeyWhsec, ErrSecretEmpty, ""},
		{"trailing line feed", "s3cr3t\n", KeyText, ErrSecretWhitespace, ""},
		{"leading blank", " s3cr3t", KeyText, ErrSecretWhitespace, ""},
		{"only blanks", "  ", KeyText, ErrSecretWhitespace, ""},
		{"odd hex", "abc", KeyHex, ErrSecretEncoding, ""},
		{"whsec that is not base64", "whsec_!!!", KeyWhsec, ErrSecretEncoding, ""},
		{"doubled prefix", "whsec_whsec_a2V5", KeyWhsec, ErrSecretEncoding, ""},
		{"unknown form", "x", "rot13", ErrScheme, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ParseSecret("l", tt.text, tt.form)
			if !errors.Is(err, tt.want) || string(s.bytes()) != tt.key {
				t.Errorf("got key %q, %v; want %q, %v", s.bytes(), err, tt.key, tt.want)
			}
			if text := strings.TrimSpace(tt.text); err != nil && len(text) > 1 && strings.Contains(err.Error(), text) && text != "whsec_" {
				t.Errorf("the error quotes the secret: %v", err)
			}
		})
	}
}

func TestSecretPrintsNowhere(t *testing.T) {
	s := mustSecret(t, "hunter2hunter2", KeyText)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%p", "%t"} {
		for _, value := range []any{s, &s, []Secret{s}, struct{ S Secret }{s}} {
			out := fmt.Sprintf(verb, value)
			for _, leak := range []string{"hunter2", "68756e746572", "68756E746572", "104 117 110"} {
				if strings.Contains(out, leak) {
					t.Errorf("%s of %T prints %q", verb, value, out)
				}
			}
		}
	}
	if out, err := json.Marshal(map[string]any{"s": s, "p": &s}); err != nil || strings.Contains(string(out), "hunter") || strings.Contains(string(out), "aHVudGVy") {
		t.Errorf("JSON: %s, %v", out, err)
	}
}

// A signer's work is accepted by a verifier of the same scheme.
func TestSignThenVerify(t *testing.T) {
	for _, s := range []Scheme{
		{Algorithm: "sha256", Signature: "header X-Sig sha256={signature}", Encoding: "hex", Signed: "{body}", EventType: "header X-Event", DeliveryID: "query id"},
		{Algorithm: "sha1", Signature: "query sig", Encoding: "base64url", Signed: "{timestamp}|{body}", Timestamp: "header X-Time milliseconds"},
		{Algorithm: "sha512", Signature: "header X-Sig t={timestamp},v1={signature}", Encoding: "base64", Signed: "{id}.{timestamp}.{body}", Timestamp: "signature rfc3339", DeliveryID: "body id"},
		{Algorithm: "sha384", Signature: "header X-Sig v1,{signature} ...", Encoding: "base64", Signed: "{id}.{timestamp}.{body}", Timestamp: "header X-Time", DeliveryID: "header X-Id"},
		{Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{body}", Timestamp: "body meta.at", DeliveryID: "body id"},
		{Algorithm: "sha256", Signature: "body sig", Encoding: "hex", Signed: "{json:id}{json:at}", Timestamp: "body at rfc3339", DeliveryID: "body id"},
	} {
		s.Type = TypeHMAC
		signer, err := NewSigner(s, mustSecret(t, "key", KeyText), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &Request{Header: http.Header{}, Body: []byte(`{"id":"7"}`)}
		if err := signer.Sign(r, "7", "a.b", arrival); err != nil {
			t.Fatal(err)
		}
		d, err := mustVerifier(t, s, nil).Verify(r, arrival)
		if err != nil || s.DeliveryID != "" && d.ID != "7" || s.EventType != "" && d.Event != "a.b" {
			t.Errorf("%+v: %+v, %v", s, d, err)
		}
	}
}

func TestASignerKeepsTheTimestampOfTheBody(t *testing.T) {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{body}", Timestamp: "form at"}
	signer, err := NewSigner(s, mustSecret(t, "key", KeyText), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{Header: http.Header{}, Body: []byte("at=1767225599")}
	if err := signer.Sign(r, "", "", arrival); err != nil || string(r.Body) != "at=1767225599" {
		t.Errorf("%s, %v", r.Body, err)
	}
	r.Body = []byte("at=1767225599&at=1767225600")
	if err := signer.Sign(r, "", "", arrival); !errors.Is(err, errConflict) {
		t.Errorf("two timestamps: %v", err)
	}
}

func TestATimestampInTheBodyIsWrittenAsProvidersDo(t *testing.T) {
	for timestamp, want := range map[string]string{
		"body at":                `{"at":"1767225600"}`,
		"body at milliseconds":   `{"at":1767225600000}`,
		"body a.at milliseconds": `{"a":{"at":1767225600000}}`,
		"body at rfc3339":        `{"at":"2026-01-01T00:00:00Z"}`,
	} {
		s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{body}", Timestamp: timestamp}
		signer, err := NewSigner(s, mustSecret(t, "key", KeyText), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &Request{Header: http.Header{}, Body: []byte(`{}`)}
		if err := signer.Sign(r, "", "", arrival); err != nil || string(r.Body) != want {
			t.Errorf("%s: %s, %v; want %s", timestamp, r.Body, err, want)
		}
	}
}

func TestWhatCannotBeSigned(t *testing.T) {
	for _, tt := range []struct {
		scheme Scheme
		says   string
	}{
		{Scheme{Type: TypeEd25519, Key: KeyPublic, Signature: "header X-Sig", Encoding: "hex", Signed: "{body}"}, "ed25519 deliveries are signed with a private key"},
		{Scheme{Type: TypeECDSA, Algorithm: "sha256", Key: KeyPublic, Signature: "header X-Sig", Encoding: "hex", Signed: "{body}"}, "ecdsa deliveries are signed with a private key"},
		{Scheme{Type: TypeRSA, Algorithm: "sha256", Key: KeyPublic, Signature: "header X-Sig", Encoding: "hex", Signed: "{body}"}, "rsa deliveries are signed with a private key"},
		{Scheme{Type: TypeRSAPSS, Algorithm: "sha256", Key: KeyPublic, Signature: "header X-Sig", Encoding: "hex", Signed: "{body}"}, "rsa-pss deliveries are signed with a private key"},
		{Scheme{Type: TypeJWT, Algorithm: "RS256", Key: KeyPublic, Signature: "body"}, "jwt deliveries are signed with a private key"},
		{Scheme{Type: TypeMessage, Algorithm: "ed25519", Key: KeyPublic, Signature: "header Signature", Signed: "@target-uri content-digest"}, "http-message-signature deliveries are signed with a private key"},
		{Scheme{Type: TypeHMAC, Algorithm: "sha256", Encoding: "hex", Signature: "body sig", Signed: "{body}"}, "the signature is inside of what it covers"},
	} {
		// Not even another secret would do.
		_, err := NewSigner(tt.scheme, mustSecret(t, "key", KeyText), nil)
		if !errors.Is(err, ErrScheme) || !strings.Contains(err.Error(), "cannot sign: "+tt.says) {
			t.Errorf("%s: %v, want %q", tt.scheme.Type, err, tt.says)
		}
	}
}
