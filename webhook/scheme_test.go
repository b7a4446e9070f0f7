package webhook

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"strings"
	"testing"
	"time"
)

var arrival = time.Unix(1767225600, 0)

func mustSecret(t testing.TB, text string, form KeyForm) Secret {
	t.Helper()
	s, err := ParseSecret("1", text, form)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustVerifier(t testing.TB, s Scheme, with map[string]string, secrets ...Secret) *Verifier {
	t.Helper()
	if len(secrets) == 0 {
		secrets = []Secret{mustSecret(t, "key", KeyText)}
	}
	v, err := NewVerifier(s, secrets, DefaultTolerance, with)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func sum(algorithm func() hash.Hash, key, message string) []byte {
	m := hmac.New(algorithm, []byte(key))
	m.Write([]byte(message))
	return m.Sum(nil)
}

// Each row gives the bytes that the scheme signs, written out by hand.
func TestSignedTemplate(t *testing.T) {
	request := func() *Request {
		return &Request{
			Method: "POST",
			URL:    "https://hooks.example.com/in/a%20b?x=1&y=2",
			Path:   "/in/a%20b",
			Query:  "x=1&y=2",
			Header: http.Header{"X-Time": {"1767225600"}, "X-Id": {"d-1"}, "X-Shop": {"a.example"}},
			Body:   []byte(`{"id":9007199254740993,"o":{"a.b":1,"list":["zero","one"],"t":true,"n":null},"s":"é\n"}`),
		}
	}
	for _, tt := range []struct {
		name, signed, want string
		with               map[string]string
	}{
		{name: "body", signed: "{body}", want: string(request().Body)},
		{name: "timestamp and body", signed: "{timestamp}.{body}", want: "1767225600." + string(request().Body)},
		{name: "literals around", signed: "v0:{timestamp}:{body}:end", want: "v0:1767225600:" + string(request().Body) + ":end"},
		{name: "id", signed: "{id}|{body}", want: "d-1|" + string(request().Body)},
		{name: "method, path and query", signed: "{method} {path}?{query}\n{body}", want: "POST /in/a%20b?x=1&y=2\n" + string(request().Body)},
		{name: "url", signed: "{url}{body}", want: "https://hooks.example.com/in/a%20b?x=1&y=2" + string(request().Body)},
		{name: "query parameter", signed: "{query:y}{query:none}.{body}", want: "2." + string(request().Body)},
		{name: "header", signed: "{header:x-shop}.{body}", want: "a.example." + string(request().Body)},
		{name: "absent header", signed: "{header:x-none}.{body}", want: "." + string(request().Body)},
		{name: "parameter", signed: "{with:account}{body}", with: map[string]string{"account": "acct_1"}, want: "acct_1" + string(request().Body)},
		{name: "large number as written", signed: "{json:id}", want: "9007199254740993"},
		{name: "element, boolean, text, null, absent", signed: "{json:o.list.1}{json:o.t}{json:s}{json:o.n}{json:none}", want: "onetrueé\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: tt.signed, DeliveryID: "header X-Id"}
			if strings.Contains(tt.signed, "{timestamp}") {
				s.Timestamp = "header X-Time"
			}
			r := request()
			r.Header.Set("X-Sig", hex.EncodeToString(sum(sha256.New, "key", tt.want)))
			if _, err := mustVerifier(t, s, tt.with).Verify(r, arrival); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSignedForm(t *testing.T) {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{url}{form_sorted}"}
	r := &Request{URL: "https://x.example/", Header: http.Header{}, Body: []byte("b=2&a=1+1&b=0&c=%C3%A9&b=2")}
	r.Header.Set("X-Sig", hex.EncodeToString(sum(sha256.New, "key", "https://x.example/a1 1b0b2cé")))
	if _, err := mustVerifier(t, s, nil).Verify(r, arrival); err != nil {
		t.Error(err)
	}
	r.Body = []byte("a=%zz")
	if _, err := mustVerifier(t, s, nil).Verify(r, arrival); !errors.Is(err, ErrSignatureMalformed) {
		t.Errorf("body that is no form: %v", err)
	}
}

// The digests of "123456789" are as openssl dgst has them; its CRC is the check
// value of CRC-32/ISO-HDLC.
func TestSignedDigests(t *testing.T) {
	const sum256 = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
	raw, err := hex.DecodeString(sum256)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sha256":        sum256,
		"sha256_base64": "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
		"sha256_raw":    string(raw),
		"md5_base64":    "JfnnlDI7RTiF9RgfG2JNCw==",
		"crc32":         "3421780262",
		"quoted":        `"123456789"`,
	} {
		s := Scheme{
			Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex",
			Signed: "{" + name + ":body}|{" + name + ":url}", DeliveryID: "body id",
		}
		r := &Request{URL: "123456789", Header: http.Header{}, Body: []byte("123456789")}
		r.Header.Set("X-Sig", hex.EncodeToString(sum(sha256.New, "key", text+"|"+text)))
		v := mustVerifier(t, s, nil)
		if _, err := v.Verify(r, arrival); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r.Body[8]++
		if _, err := v.Verify(r, arrival); !errors.Is(err, ErrSignatureMismatch) {
			t.Errorf("%s of another body: %v", name, err)
		}
		if facts, err := s.Facts(); err != nil || !facts.SignsID {
			t.Errorf("%s of the body covers what is in the body: %+v, %v", name, facts, err)
		}
	}
}

// The text is what JSON.stringify makes of the same characters.
func TestSignedJSONString(t *testing.T) {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: `{{"a":{{}},"Body":{quoted:body}}`}
	r := &Request{Header: http.Header{}, Body: []byte("{\"a\": \"\\n/<&>é\u2028\"}\b\f\n\r\t\x00\x1f\x7f")}
	signed := `{"a":{}},"Body":"{\"a\": \"\\n/<&>é` + "\u2028" + `\"}\b\f\n\r\t\u0000\u001f` + "\x7f" + `"}`
	r.Header.Set("X-Sig", hex.EncodeToString(sum(sha256.New, "key", signed)))
	if _, err := mustVerifier(t, s, nil).Verify(r, arrival); err != nil {
		t.Error(err)
	}
}

func TestAlgorithmsAndEncodings(t *testing.T) {
	body := "payload"
	for _, tt := range []struct {
		algorithm string
		hash      func() hash.Hash
	}{{"sha1", sha1.New}, {"sha256", sha256.New}, {"sha384", sha512.New384}, {"sha512", sha512.New}} {
		digest := sum(tt.hash, "key", body)
		for _, e := range []struct {
			encoding, text string
			want           error
		}{
			{"hex", hex.EncodeToString(digest), nil},
			{"hex", strings.ToUpper(hex.EncodeToString(digest)), nil},
			{"hex", hex.EncodeToString(digest[1:]), ErrSignatureMalformed},
			{"hex", hex.EncodeToString(append([]byte{0}, digest...)), ErrSignatureMalformed},
			{"hex", "", ErrSignatureMissing},
			{"hex", "zz", ErrSignatureMalformed},
			{"hex", strings.Repeat("é", 64), ErrSignatureMalformed},
			{"hex", strings.Repeat("a", 1<<16), ErrSignatureMalformed},
			{"base64", base64.StdEncoding.EncodeToString(digest), nil},
			{"base64", base64.RawStdEncoding.EncodeToString(digest), nil},
			{"base64", base64.StdEncoding.EncodeToString(digest[1:]), ErrSignatureMalformed},
			{"base64url", base64.URLEncoding.EncodeToString(digest), nil},
			{"base64url", base64.RawURLEncoding.EncodeToString(digest), nil},
			{"base64hex", base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(digest))), nil},
			{"base64hex", base64.RawStdEncoding.EncodeToString([]byte(hex.EncodeToString(digest))), nil},
			{"base64hex", base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(digest[1:]))), ErrSignatureMalformed},
			{"base64hex", base64.StdEncoding.EncodeToString(digest), ErrSignatureMalformed},
			{"base64hex", hex.EncodeToString(digest), ErrSignatureMalformed},
		} {
			s := Scheme{Type: TypeHMAC, Algorithm: tt.algorithm, Signature: "header X-Sig", Encoding: e.encoding, Signed: "{body}"}
			r := &Request{Header: http.Header{"X-Sig": {e.text}}, Body: []byte(body)}
			if _, err := mustVerifier(t, s, nil).Verify(r, arrival); !errors.Is(err, e.want) {
				t.Errorf("%s %s %.20q: got %v, want %v", tt.algorithm, e.encoding, e.text, err, e.want)
			}
		}
	}
}

// Where a signature is and how it is written: each row is accepted, or refused
// for the cause given. SIG stands for the right signature, BAD for a wrong one.
func TestSignatureFormats(t *testing.T) {
	good := hex.EncodeToString(sum(sha256.New, "key", "1767225600.{}"))
	bad := hex.EncodeToString(sum(sha256.New, "guess", "1767225600.{}"))
	stripe, many, positional := "t={timestamp},v1={signature}", "v1,{signature} ...", "{timestamp}.{signature}"
	tail, sets := "{timestamp},{signature},...", "t={timestamp},v1={signature} ..."
	for _, tt := range []struct {
		name, format string
		values       []string
		want         error
	}{
		{"plain", "", []string{"SIG"}, nil},
		{"prefix", "sha256={signature}", []string{"sha256=SIG"}, nil},
		{"prefix missing", "sha256={signature}", []string{"SIG"}, ErrSignatureMalformed},
		{"prefix of another version", "sha256={signature}", []string{"sha1=SIG"}, ErrSignatureMalformed},
		{"second header field matches", "sha256={signature}", []string{"sha256=BAD", "sha256=SIG"}, nil},
		{"no header", "", nil, ErrSignatureMissing},
		{"blank header", "", []string{" "}, ErrSignatureMissing},
		{"parts", stripe, []string{"t=1767225600,v1=SIG"}, nil},
		{"parts in another order", stripe, []string{"v1=SIG,t=1767225600"}, nil},
		{"blanks behind commas", stripe, []string{"t=1767225600, v1=SIG"}, nil},
		{"rolled secret: two signatures", stripe, []string{"t=1767225600,v1=BAD,v1=SIG"}, nil},
		{"unknown parts", stripe, []string{"t=1767225600,v0=BAD,v9=x,v1=SIG,"}, nil},
		{"only an unknown version", stripe, []string{"t=1767225600,v0=SIG"}, ErrSignatureMalformed},
		{"wrong signature", stripe, []string{"t=1767225600,v1=BAD"}, ErrSignatureMismatch},
		{"no timestamp", stripe, []string{"v1=SIG"}, ErrTimestampMissing},
		{"empty timestamp", stripe, []string{"t=,v1=SIG"}, ErrTimestampMissing},
		{"two timestamps that agree", stripe, []string{"t=1767225600,t=1767225600,v1=SIG"}, nil},
		{"two timestamps that differ", stripe, []string{"t=1767225600,t=1767225601,v1=SIG"}, ErrSignatureMalformed},
		{"timestamp with a sign", stripe, []string{"t=+1767225600,v1=SIG"}, ErrTimestampMalformed},
		{"timestamp rendered otherwise", stripe, []string{"t=01767225600,v1=SIG"}, ErrSignatureMismatch},
		{"list", many, []string{"v1,SIG"}, nil},
		{"second of a list", many, []string{"v1,BAD v1,SIG v1a,xyz"}, nil},
		{"list of unknown versions", many, []string{"v2,SIG"}, ErrSignatureMalformed},
		{"as many as are tried", many, []string{strings.Repeat("v1,BAD ", maxSignatures-1) + "v1,SIG"}, nil},
		{"more than are tried", many, []string{strings.Repeat("v1,BAD ", maxSignatures) + "v1,SIG"}, ErrSignatureMalformed},
		{"positional", positional, []string{"1767225600.SIG"}, nil},
		{"positional, one short", positional, []string{"SIG"}, ErrSignatureMalformed},
		{"positional, one too many", positional, []string{"1767225600.SIG.x"}, ErrSignatureMalformed},
		{"signatures behind a timestamp: one", tail, []string{"1767225600,SIG"}, nil},
		{"signatures behind a timestamp: the last", tail, []string{"1767225600,xyz,BAD,SIG"}, nil},
		{"signatures behind a timestamp: wrong ones", tail, []string{"1767225600,BAD,BAD"}, ErrSignatureMismatch},
		{"signatures behind a timestamp: none", tail, []string{"1767225600,"}, ErrSignatureMalformed},
		{"signatures behind a timestamp: no separator", tail, []string{"1767225600"}, ErrSignatureMalformed},
		{"sets: one", sets, []string{"t=1767225600,v1=SIG"}, nil},
		{"sets: the second", sets, []string{"t=1767225600,v1=BAD  t=1767225600,v1=SIG"}, nil},
		{"sets: wrong ones", sets, []string{"t=1767225600,v1=BAD t=1767225600,v1=BAD"}, ErrSignatureMismatch}, //nolint:dupword // two sets that are alike
		{"sets: two timestamps that differ", sets, []string{"t=1767225600,v1=SIG t=1767225601,v1=BAD"}, ErrSignatureMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: strings.TrimSpace("header X-Sig " + tt.format), Encoding: "hex", Signed: "{timestamp}.{body}"}
			if !strings.Contains(tt.format, "{timestamp}") {
				s.Timestamp = "header X-Time"
			}
			r := &Request{Header: http.Header{"X-Time": {"1767225600"}}, Body: []byte("{}")}
			for _, value := range tt.values {
				r.Header.Add("X-Sig", strings.NewReplacer("SIG", good, "BAD", bad).Replace(value))
			}
			v := mustVerifier(t, s, nil)
			if _, err := v.Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			// What the header alone tells is told before the body is read.
			_, err := v.VerifyHeader(r, arrival)
			if early := tt.want != ErrSignatureMismatch; early && !errors.Is(err, tt.want) || !early && err != nil { //nolint:errorlint // the sentinel itself
				t.Errorf("on the header alone: %v", err)
			}
		})
	}
}

func TestSignaturePlaces(t *testing.T) {
	for _, tt := range []struct {
		name, place, signed, want string
		request                   Request
	}{
		{"query", "query sig", "{body}", "x", Request{Query: "a=1&sig=SIG", Body: []byte("x")}},
		{"either of two headers", "header X-A|X-B", "{body}", "x", Request{Header: http.Header{"X-B": {"SIG"}}, Body: []byte("x")}},
		{"form", "form sig", "{form:payload}", "a b", Request{Body: []byte("sig=SIG&payload=a+b")}},
		{"body", "body auth.sig", "{json:id}", "7", Request{Body: []byte(`{"auth":{"sig":"SIG"},"id":"7"}`)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: tt.place, Encoding: "hex", Signed: tt.signed}
			signature := hex.EncodeToString(sum(sha256.New, "key", tt.want))
			r := tt.request
			r.Query = strings.Replace(r.Query, "SIG", signature, 1)
			r.Body = []byte(strings.Replace(string(r.Body), "SIG", signature, 1))
			if len(r.Header) > 0 {
				r.Header = http.Header{"X-B": {signature}}
			}
			v := mustVerifier(t, s, nil)
			if _, err := v.Verify(&r, arrival); err != nil {
				t.Error(err)
			}
			r.Query, r.Header, r.Body = "", nil, []byte("{}")
			if _, err := v.Verify(&r, arrival); !errors.Is(err, ErrSignatureMissing) {
				t.Errorf("without it: %v", err)
			}
		})
	}
}

func TestTimestamps(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		unit, text string
		now        time.Time
		want       error
	}{
		{"seconds", "1767225600", at, nil},
		{"seconds", "1767225600", at.Add(5 * time.Minute), nil},
		{"seconds", "1767225600", at.Add(5*time.Minute + 1), ErrTimestampTooOld},
		{"seconds", "1767225600", at.Add(-5 * time.Minute), nil},
		{"seconds", "1767225600", at.Add(-5*time.Minute - 1), ErrTimestampTooNew},
		{"seconds", "1767225600000", at, ErrTimestampTooNew},
		{"seconds", "999999999999999", at, ErrTimestampTooNew},
		{"seconds", "0", at, ErrTimestampTooOld},
		{"seconds", "-1767225600", at, ErrTimestampMalformed},
		{"seconds", "1767225600.0", at, ErrTimestampMalformed},
		{"seconds", "1.7672256e9", at, ErrTimestampMalformed},
		{"seconds", " 1767225600", at, ErrTimestampMalformed},
		{"seconds", "0x6955b900", at, ErrTimestampMalformed},
		{"seconds", "1767225600, 1767225600", at, ErrTimestampMalformed},
		{"seconds", "١٧٦٧٢٢٥٦٠٠", at, ErrTimestampMalformed},
		{"seconds", strings.Repeat("9", 1000), at, ErrTimestampMalformed},
		{"seconds", "", at, ErrTimestampMissing},
		{"milliseconds", "1767225600000", at, nil},
		{"milliseconds", "1767225600", at, ErrTimestampTooOld},
		{"unix", "1767225600", at, nil},
		{"unix", "1767225600000", at, nil},
		{"unix", "1767225600000000", at, ErrTimestampMalformed},
		{"rfc3339", "2026-01-01T00:00:00Z", at, nil},
		{"rfc3339", "2026-01-01T01:00:00.5+01:00", at, nil},
		{"rfc3339", "2026-01-01", at, ErrTimestampMalformed},
		{"rfc3339", "2026-01-01T00:00:00", at, ErrTimestampMalformed},
		{"utc", "2026-01-01T00:00:00", at, nil},
		{"utc", "2026-01-01T00:00:00.551", at, nil},
		{"utc", "2026-01-01T00:00:00Z", at, ErrTimestampMalformed},
		{"utc", "2025-12-31T23:00:00", at, ErrTimestampTooOld},
		{"http", "Thu, 01 Jan 2026 00:00:00 GMT", at, nil},
		{"http", "Thu, 01 Jan 2026 00:00:00 CET", at, ErrTimestampMalformed},
		{"http", "Wed, 31 Dec 2025 23:00:00 GMT", at, ErrTimestampTooOld},
		{"rfc3339", "9999-12-31T23:59:59Z", at, ErrTimestampTooNew},
	} {
		t.Run(tt.unit+" "+tt.text, func(t *testing.T) {
			s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{timestamp}.{body}", Timestamp: "header X-Time " + tt.unit}
			r := &Request{Header: http.Header{"X-Time": {tt.text}}, Body: []byte("{}")}
			r.Header.Set("X-Sig", hex.EncodeToString(sum(sha256.New, "key", tt.text+".{}")))
			d, err := mustVerifier(t, s, nil).Verify(r, tt.now)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err == nil && d.Timestamp.Unix() != at.Unix() {
				t.Errorf("read as %s", d.Timestamp)
			}
			if _, headErr := mustVerifier(t, s, nil).VerifyHeader(r, tt.now); !errors.Is(headErr, tt.want) {
				t.Errorf("on the header alone: %v", headErr)
			}
		})
	}
}

func TestEncodingsReadWhatTheyWrite(t *testing.T) {
	for _, e := range []encoding{encodingHex, encodingBase64, encodingBase64URL, encodingBase64Hex} {
		sum := []byte("\x00\xff a digest")
		if got, ok := e.bytes(e.encode(sum), len(sum)); !ok || string(got) != string(sum) {
			t.Errorf("%s: wrote %q, read %q", e, e.encode(sum), got)
		}
	}
}

func TestTimestampsAreReadAsTheyAreWritten(t *testing.T) {
	for _, unit := range []string{"seconds", "milliseconds", "unix", "rfc3339", "utc", "http"} {
		text := timestamp{unit: unit}.render(arrival)
		if at, err := (timestamp{unit: unit}).parse(text); err != nil || !at.Equal(arrival) {
			t.Errorf("%s: wrote %q, read %s, %v", unit, text, at, err)
		}
	}
}

func TestToleranceOffStillSignsTheTimestamp(t *testing.T) {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{timestamp}.{body}", Timestamp: "header X-Time"}
	v, err := NewVerifier(s, []Secret{mustSecret(t, "key", KeyText)}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{Header: http.Header{"X-Time": {"12"}, "X-Sig": {hex.EncodeToString(sum(sha256.New, "key", "12.{}"))}}, Body: []byte("{}")}
	if _, err := v.Verify(r, arrival); err != nil {
		t.Error(err)
	}
	r.Header.Set("X-Time", "13")
	if _, err := v.Verify(r, arrival); !errors.Is(err, ErrSignatureMismatch) {
		t.Errorf("another timestamp: %v", err)
	}
}

// A timestamp and an id that travel in the body are judged once it is read.
func TestValuesInTheBody(t *testing.T) {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{body}", Timestamp: "body meta.at milliseconds", DeliveryID: "body meta.id", EventType: "body type"}
	v := mustVerifier(t, s, nil)
	body := `{"type":"a.b","meta":{"id":12345678901234567890,"at":1767225600000}}`
	r := &Request{Header: http.Header{"X-Sig": {hex.EncodeToString(sum(sha256.New, "key", body))}}}
	if d, err := v.VerifyHeader(r, arrival); err != nil || d.ID != "" {
		t.Errorf("on the header alone: %+v, %v", d, err)
	}
	r.Body = []byte(body)
	d, err := v.Verify(r, arrival)
	if err != nil || d.ID != "12345678901234567890" || d.Event != "a.b" {
		t.Errorf("got %+v, %v", d, err)
	}
	if _, err := v.Verify(r, arrival.Add(time.Hour)); !errors.Is(err, ErrTimestampTooOld) {
		t.Errorf("an hour later: %v", err)
	}
	for _, altered := range []string{`{}`, `{"meta":{"at":"today"}}`, strings.Replace(body, "17672", "17671", 1)} {
		r.Body = []byte(altered)
		if _, err := v.Verify(r, arrival); !errors.Is(err, ErrSignatureMismatch) {
			t.Errorf("altered to %s: %v", altered, err)
		}
	}
}

func TestIDOfSeveralPartsNeedsThemAll(t *testing.T) {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{body}", DeliveryID: "body id+status", EventType: "body object+status"}
	for body, want := range map[string]Delivery{
		`{"id":"7","status":"done"}`: {ID: "7.done", Event: "done"}, `{"status":"done"}`: {Event: "done"}, `{"id":"7"}`: {}, `{}`: {},
	} {
		r := &Request{Header: http.Header{"X-Sig": {hex.EncodeToString(sum(sha256.New, "key", body))}}, Body: []byte(body)}
		if d, err := mustVerifier(t, s, nil).Verify(r, arrival); err != nil || d.ID != want.ID || d.Event != want.Event {
			t.Errorf("%s: %+v, %v; want %+v", body, d, err, want)
		}
	}
}

func TestConflictingIdentityIsRefused(t *testing.T) {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{body}", DeliveryID: "header X-Id", EventType: "header X-Event"}
	for _, name := range []string{"X-Id", "X-Event"} {
		r := &Request{Header: http.Header{name: {"1", "2"}, "X-Sig": {hex.EncodeToString(sum(sha256.New, "key", "{}"))}}, Body: []byte("{}")}
		if _, err := mustVerifier(t, s, nil).VerifyHeader(r, arrival); !errors.Is(err, ErrSignatureMalformed) {
			t.Errorf("two different %s: %v", name, err)
		}
		r.Header[name] = []string{"1", "1"}
		if _, err := mustVerifier(t, s, nil).Verify(r, arrival); err != nil {
			t.Errorf("the same %s twice: %v", name, err)
		}
	}
}

// Where fields and not the body are signed, a body that parsers read in two
// ways could carry an unsigned value behind a signed one.
func TestSignedFieldsNeedAnUnambiguousBody(t *testing.T) {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{json:id}.{json:amount}"}
	signature := hex.EncodeToString(sum(sha256.New, "key", "7.100"))
	for _, tt := range []struct {
		body string
		want error
	}{
		{`{"id":"7","amount":100}`, nil},
		{`{"id":"7","amount":100,"o":{"amount":1},"l":[{"id":1},{"id":2}]}`, nil},
		{`{"id":"7","amount":100,"amount":900}`, ErrSignatureMalformed},
		{`{"id":"7","amount":100,"\u0061mount":900}`, ErrSignatureMalformed},
		{`{"id":"7","amount":100,"Amount":900}`, ErrSignatureMalformed},
		{`{"id":"7","amount":100}{"amount":900}`, ErrSignatureMalformed},
		{`{"id":"7","amount":100}]`, ErrSignatureMalformed},
		{`{"id":"7","amount":100`, ErrSignatureMalformed},
		{`{"id":"7","amount":100,"x":[[}`, ErrSignatureMalformed},
		{`{"id":"7","amount":{"value":100}}`, ErrSignatureMalformed},
		{`{"id":["7"],"amount":100}`, ErrSignatureMalformed},
	} {
		r := &Request{Header: http.Header{"X-Sig": {signature}}, Body: []byte(tt.body)}
		if _, err := mustVerifier(t, s, nil).Verify(r, arrival); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.body, err, tt.want)
		}
	}
}

// A signature over one element of an array says nothing of the others, and one
// over an absent field nothing of what could be put there.
func TestSignedFieldsStandAlone(t *testing.T) {
	for _, tt := range []struct {
		signed, message, body string
		want                  error
	}{
		{"{json:items.0.id}{json:items.0.note}", "7", `{"items":[{"id":"7"}]}`, nil},
		{"{json:items.0.id}{json:items.0.note}", "7", `{"items":[{"id":"7","note":null}]}`, nil},
		{"{json:items.0.id}{json:items.0.note}", "7", `{"items":[{"id":"7","note":{}}]}`, ErrSignatureMalformed},
		{"{json:items.0.id}{json:items.0.note}", "7", `{"items":[{"id":"7"},{"id":"8"}]}`, ErrSignatureMalformed},
		{"{json:items.0.id}{json:items.1.id}", "78", `{"items":[{"id":"7"},{"id":"8"}]}`, nil},
		{"{json:items.0.id}{json:items.1.id}", "78", `{"items":[{"id":"7"},{"id":"8"},null]}`, ErrSignatureMalformed},
		{"{json:items.0.id}", "7", `{"items":{"0":{"id":"7"},"1":{"id":"8"}}}`, nil},
		{"{json:0.id}", "7", `[{"id":"7"}]`, nil},
		{"{json:0.id}", "7", `[{"id":"7"},{"id":"8"}]`, ErrSignatureMalformed},
		{"{json:items.0.id}{body}", `7{"items":[{"id":"7"},{"id":"8"}]}`, `{"items":[{"id":"7"},{"id":"8"}]}`, nil},
	} {
		s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: tt.signed}
		r := &Request{Header: http.Header{"X-Sig": {hex.EncodeToString(sum(sha256.New, "key", tt.message))}}, Body: []byte(tt.body)}
		if _, err := mustVerifier(t, s, nil).Verify(r, arrival); !errors.Is(err, tt.want) {
			t.Errorf("%s of %s: got %v, want %v", tt.signed, tt.body, err, tt.want)
		}
	}
}

func TestAnySecretMayMatch(t *testing.T) {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{body}"}
	current, _ := ParseSecret("current", "new", KeyText)
	previous, _ := ParseSecret("previous", "old", KeyText)
	v := mustVerifier(t, s, nil, current, previous)
	for key, label := range map[string]string{"new": "current", "old": "previous"} {
		r := &Request{Header: http.Header{"X-Sig": {hex.EncodeToString(sum(sha256.New, key, "{}"))}}, Body: []byte("{}")}
		if d, err := v.Verify(r, arrival); err != nil || d.Secret != label {
			t.Errorf("signed with %s: %+v, %v", key, d, err)
		}
	}
}
