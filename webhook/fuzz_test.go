package webhook

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Whatever is sent, a request that was not signed is refused with a cause and
// without a panic.
func FuzzVerify(f *testing.F) {
	f.Add("t=1767225600,v1=00", "1767225600", "id", `{"id":1}`, "a=1")
	f.Add("", "", "", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{\"b\":\"00\",\"c\":1}\r\n--b--\r\n", "")
	f.Add("v1,AAAA v1,", "", "", "a=1&a=2", "sig=1&sig=2")
	f.Add("sha256=", "-1", "\x00", `{"a":{"b":[1,2]},"a":1}`, "%zz")
	schemes := []Scheme{
		{Algorithm: "sha256", Signature: "header X-Sig t={timestamp},v1={signature}", Encoding: "hex", Signed: "{timestamp}.{body}", DeliveryID: "body id"},
		{Algorithm: "sha1", Signature: "header X-Sig v1,{signature} ...", Encoding: "base64", Signed: "{id}.{timestamp}.{body}", Timestamp: "header X-Time", DeliveryID: "header X-Id"},
		{Algorithm: "sha512", Signature: "query sig", Encoding: "base64url", Signed: "{url}{form_sorted}{form:a}", EventType: "form a"},
		{Algorithm: "sha384", Signature: "body a.b", Encoding: "hex", Signed: "{json:a.id}{json:b.0}{method}{path}{query}", EventType: "body a.type"},
		{Algorithm: "sha256", Signature: "multipart a>b", Encoding: "hex", Signed: "{multipart:a}{multipart:a>c}", DeliveryID: "multipart id"},
		{Algorithm: "sha256", Signature: "header X-Sig {timestamp}.{signature}", Encoding: "hex", Signed: "{timestamp}{header:X-Id}{body}", Timestamp: "signature rfc3339"},
	}
	var verifiers []*Verifier
	for _, s := range schemes {
		s.Type = TypeHMAC
		verifiers = append(verifiers, mustVerifier(f, s, nil))
	}
	f.Fuzz(func(t *testing.T, signature, at, id, body, query string) {
		for _, v := range verifiers {
			r := &Request{Query: query, Header: http.Header{"X-Sig": {signature}, "X-Time": {at}, "X-Id": {id}, "Content-Type": {"multipart/form-data; boundary=b"}}, Body: []byte(body)}
			if _, err := v.VerifyHeader(r, arrival); err == nil {
				_, err = v.Verify(r, arrival)
				if err == nil {
					t.Fatalf("accepted %q %q %q %q %q", signature, at, id, body, query)
				}
			}
		}
	})
}

// What a format writes it reads back, and reading never finds more signatures
// than are tried.
func FuzzFormat(f *testing.F) {
	for _, seed := range []string{"", "sha256={signature}", "t={timestamp},v1={signature}", "v1,{signature} ...", "{timestamp}.{signature}", "a{signature}b;c{timestamp}d", "{signature}{", "...", "{}{signature}"} {
		f.Add(seed, "t=1,v1=2,v1=3")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		parsed, err := parseFormat(text)
		if err != nil {
			return
		}
		var sent found
		parsed.read(value, &sent)
		var own found
		parsed.read(parsed.write("5e6f", "1767225600"), &own)
		plain := !strings.ContainsAny(text, " \t\r\n\v\f\u0085\u00a0") // blanks around the parts are trimmed
		if plain && !own.conflict && own.count == 1 && own.signatures[0] != "5e6f" {
			t.Fatalf("%q wrote %q and read %q", text, parsed.write("5e6f", "1767225600"), own.signatures[0])
		}
	})
}

func FuzzTimestamp(f *testing.F) {
	for _, seed := range []string{"1767225600", "1767225600000", "2026-01-01T00:00:00Z", "1e9", "+1", " 1", "99999999999999999999", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, unit := range []string{"seconds", "milliseconds", "unix", "rfc3339", "utc", "http"} {
			ts := timestamp{unit: unit}
			at, err := ts.parse(text)
			if err != nil {
				continue
			}
			if strings.HasSuffix(unit, "seconds") && strings.Trim(text, "0123456789") != "" {
				t.Fatalf("%s: took %q", unit, text)
			}
			// Only one of the two bounds may refuse, and none within the tolerance.
			age := arrival.Sub(at)
			if fresh(at, arrival, time.Minute) == nil != (age <= time.Minute && age >= -time.Minute) {
				t.Fatalf("%s: %q at an age of %s", unit, text, age)
			}
		}
	})
}

// unambiguous accepts only what encoding/json accepts, too.
func FuzzUnambiguous(f *testing.F) {
	for _, seed := range []string{`{}`, `[{"a":1},{"a":2}]`, `{"a":1,"A":2}`, `{"a":{"a":{"a":[]}}}`, `{"a":1}x`, `"s"`, `{"a"`, `]`, `nul`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if unambiguous(body) == nil && !json.Valid(body) {
			t.Fatalf("accepted %q", body)
		}
	})
}

func FuzzPlaces(f *testing.F) {
	f.Add("body a.0.b", `{"a":[{"b":"c"}]}`)
	f.Add("body #.@this|x", `{"#":{"@this":1}}`)
	f.Add("form a", "a=%41&b")
	f.Add("header_json X-Sig>a.b", "eyJhIjp7ImIiOiJjIn19.")
	f.Fuzz(func(t *testing.T, words, body string) {
		p, err := ParsePlace(words)
		if err != nil {
			return
		}
		value, err := p.Value(&Request{Header: http.Header{"X-Sig": {body}}, Query: body, Body: []byte(body)})
		if err == nil && value != "" && p.kind == inForm {
			fields, _ := url.ParseQuery(body)
			if len(fields) == 0 {
				t.Fatalf("%q found %q in %q", words, value, body)
			}
		}
	})
}

// No token passes that was not signed, however it is written, and what does not
// look like one is refused before anything is computed.
func FuzzJWT(f *testing.F) {
	genuine := hs256("another key", `{"iss":"acme","exp":1767225600}`)
	for _, seed := range []string{genuine, "", "..", "a.b.c", genuine + ".", genuine + "\n", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiYjY0Il0sImI2NCI6ZmFsc2V9.e30.AA"} {
		f.Add(seed, `{"iss":"acme","exp":1767225600}`)
	}
	public := mustSecret(f, rfc6979Key, KeyPublic)
	verifiers := []*Verifier{
		mustVerifier(f, Scheme{Type: TypeJWT, Algorithm: "HS256|HS384|HS512", Signature: "body"}, nil),
		mustVerifier(f, Scheme{Type: TypeJWT, Algorithm: "ES256", Key: KeyPublic, Signature: "body"}, nil, public),
	}
	claiming := mustVerifier(f, Scheme{Type: TypeJWT, Algorithm: "HS256", Signature: "body", Claims: "iss=acme", Timestamp: "claim iat", DeliveryID: "claim jti"}, nil)
	f.Fuzz(func(t *testing.T, token, claims string) {
		for _, v := range verifiers {
			if _, err := v.Verify(&Request{Body: []byte(token)}, arrival); err == nil {
				t.Fatalf("accepted %q", token)
			}
		}
		r := &Request{Body: []byte(hs256("key", claims))}
		if _, err := claiming.Verify(r, arrival); err == nil && !json.Valid([]byte(claims)) {
			t.Fatalf("accepted the claims %q", claims)
		}
	})
}

// No detached signature passes that was not made, and none makes anything be asked
// for but the pinned URL and an id that can be a part of one.
func FuzzDetached(f *testing.F) {
	const head = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsiLCJsaXN0ZWQiOiJYLVRpbWUifQ"
	for _, seed := range []string{head + "..", "", "..", head + "." + head + "." + head, head + "..\n", "eyJhbGciOiJFUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19..AA"} {
		f.Add(seed, "1767225600", "{}")
	}
	s := detachedScheme
	s.Keys = "https://example.com/keys/{key_id}"
	v, err := NewVerifier(s, nil, 0, nil)
	if err != nil {
		f.Fatal(err)
	}
	source := &asker{keys: []jose.JSONWebKey{{Key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).Public()}}}
	v.FetchFrom(source)
	asked := regexp.MustCompile(`^https://example\.com/keys/[A-Za-z0-9_-]{1,64}$`)
	f.Fuzz(func(t *testing.T, signature, at, body string) {
		source.asked = KeyRequest{}
		if _, err := v.Verify(&Request{Header: http.Header{"X-Sig": {signature}, "X-Time": {at}}, Body: []byte(body)}, arrival); err == nil {
			t.Fatalf("accepted %q", signature)
		}
		if source.asked != (KeyRequest{}) && !asked.MatchString(source.asked.URL) {
			t.Fatalf("asked for %s", source.asked)
		}
	})
}

// What is signed of an SNS message names only fields that the message has, and
// no message passes that was not signed.
func FuzzSNS(f *testing.F) {
	signature := base64.StdEncoding.EncodeToString(make([]byte, 256))
	for _, seed := range []string{
		`{"Type":"Notification","Message":"m","MessageId":"1","TopicArn":"` + snsTopic + `","Timestamp":"2026-01-01T00:00:00Z","SignatureVersion":"1","SigningCertURL":"` + snsCert + `","Signature":"` + signature + `"}`,
		`{"Type":"SubscriptionConfirmation","SignatureVersion":"2","Signature":"` + signature + `"}`, `{"Type":["Notification"]}`, "", "[]",
	} {
		f.Add([]byte(seed))
	}
	v, err := NewVerifier(snsScheme, nil, DefaultTolerance, map[string]string{"topic_arn": snsTopic})
	if err != nil {
		f.Fatal(err)
	}
	v.FetchFrom(shelf{snsCert: {jose.JSONWebKey{Key: must(rsa.GenerateKey(rand.Reader, 2048)).Public()}}})
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := v.Verify(&Request{Body: body}, arrival); err == nil {
			t.Fatalf("accepted %q", body)
		}
		if !json.Valid(body) {
			return // which Verify refuses, whatever is signed
		}
		signed, err := snsText(body)
		if err == nil && bytes.Count(signed, []byte("\n")) < 2 {
			t.Fatalf("%q is signed as %q", body, signed)
		}
	})
}

// No message passes that was not signed, and no line of what is signed is the
// sender's to make up.
func FuzzMessageSignature(f *testing.F) {
	genuine := signedAs(coveredBase, coveredAll+`;created=1767225600;nonce="d-1"`)
	for _, input := range []string{
		genuine.Header.Get("Signature-Input"), `sig1=("@authority" "@path" "@query-param";name="a" "x-note" "content-digest");created=1767225600;expires=1767225600;alg="hmac-sha256"`,
		`sig1=("x-note";sf "x-note";key="a" "x-note";bs "@method";req "x-note";tr)`, `sig1=();created=1, sig2=("@status")`, "sig1", "sig1=(\"@query\"", "",
	} {
		f.Add(input, genuine.Header.Get("Signature"), messageDigest, messageURL+"?a=%31", "note")
	}
	f.Add(`a=(), b=("@path")`, `b=:AA==:, a=:AA==:`, "sha-512=:AA==:, sha-256=(:AA==:)", "//", "a\nb")
	v, own := mustVerifier(f, messageScheme, nil, mustSecret(f, "another key", KeyText)), mustVerifier(f, messageScheme, nil)
	m := own.scheme.method.(*messageMethod)
	f.Fuzz(func(t *testing.T, input, signature, digest, address, note string) {
		r := &Request{Method: http.MethodPost, URL: address, Body: []byte(messageBody), Header: http.Header{
			"Signature-Input": {input}, "Signature": {signature}, "Content-Digest": {digest}, "X-Note": {note},
		}}
		if _, err := v.Verify(r, arrival); err == nil {
			t.Fatalf("accepted %q", r.Header)
		}
		all, err := m.read(r)
		if err != nil && !errors.Is(err, ErrSignatureMalformed) && !errors.Is(err, ErrSignatureMissing) {
			t.Fatalf("%q: no cause in %v", r.Header, err)
		}
		for _, s := range all {
			lines := bytes.Split([]byte(s.base), []byte("\n"))
			if !bytes.HasPrefix(lines[len(lines)-1], []byte(`"@signature-params": (`)) {
				t.Fatalf("%q is signed as %q", r.Header, s.base)
			}
			for i, line := range lines {
				if name, _, _ := bytes.Cut(line, []byte(": ")); !bytes.HasPrefix(name, []byte(`"`)) || slices.ContainsFunc(lines[:i], func(l []byte) bool { return bytes.HasPrefix(l, append(name, ": "...)) }) {
					t.Fatalf("%q is signed as %q", r.Header, s.base)
				}
			}
		}
	})
}
