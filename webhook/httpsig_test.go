package webhook

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

var messageScheme = Scheme{
	Type: TypeMessage, Algorithm: "hmac-sha256", Signature: "header Signature", Signed: "@method @target-uri content-digest",
	Timestamp: "claim created", DeliveryID: "claim nonce", EventType: "body type",
}

const (
	messageURL = "https://hooks.example.com/in"
	coveredAll = `("@method" "@target-uri" "content-digest")`
	// The digest of the body below is as openssl dgst -sha256 -binary has it.
	messageBody   = `{"type":"a.b"}`
	messageDigest = "sha-256=:Vrf4eCB/Aco+4eorqSH4An0zzEJdwphwTJqQd9bOnvY=:"
	// What every signature below begins with.
	coveredBase = "\"@method\": POST\n\"@target-uri\": " + messageURL + "\n\"content-digest\": " + messageDigest
)

// signedAs is a request with one signature: of the lines of base, and of input,
// what it says of them.
func signedAs(base, input string) *Request {
	r := &Request{Method: http.MethodPost, URL: messageURL, Header: http.Header{"Content-Digest": {messageDigest}}, Body: []byte(messageBody)}
	addMessage(r, "sig1", base, input, func(signed []byte) []byte { return sum(sha256.New, "key", string(signed)) })
	return r
}

func addMessage(r *Request, label, base, input string, sign func([]byte) []byte) {
	if base != "" {
		base += "\n"
	}
	signature := sign([]byte(base + `"@signature-params": ` + input))
	r.Header.Add("Signature-Input", label+"="+input)
	r.Header.Add("Signature", label+"=:"+base64.StdEncoding.EncodeToString(signature)+":")
}

func TestMessageSignature(t *testing.T) {
	r := signedAs(coveredBase, coveredAll+`;created=1767225600;nonce="d-1";keyid="k"`)
	v := mustVerifier(t, messageScheme, nil)
	for name, verify := range map[string]func(*Request, time.Time) (Delivery, error){"header": v.VerifyHeader, "whole": v.Verify} {
		d, err := verify(r, arrival)
		want := Delivery{}
		if name == "whole" {
			want = Delivery{ID: "d-1", Event: "a.b", Timestamp: arrival, Secret: "1"}
		}
		if err != nil || d != want {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	facts, err := messageScheme.Facts()
	slices.Sort(facts.Header)
	if err != nil || facts.Proof != ProofSignature || !facts.HasTimestamp || !facts.SignsID || !facts.SignsBody || !facts.SignsURL || fmt.Sprint(facts.Header) != "[Content-Digest Signature Signature-Input]" {
		t.Errorf("facts %+v, %v", facts, err)
	}
}

// Each row is a component and the line that a signer puts under the signature,
// written out by hand.
func TestMessageComponents(t *testing.T) {
	for _, tt := range []struct{ name, url, component, line string }{
		{"target URI", "https://Hooks.example.com:443/a%20b?x=1", `"@target-uri"`, `"@target-uri": https://Hooks.example.com:443/a%20b?x=1`},
		{"scheme", "HTTPS://hooks.example.com/", `"@scheme"`, `"@scheme": https`},
		{"authority in capitals", "https://Hooks.Example.com/", `"@authority"`, `"@authority": hooks.example.com`},
		{"authority with the default port", "https://hooks.example.com:443/", `"@authority"`, `"@authority": hooks.example.com`},
		{"authority with the port of another scheme", "http://hooks.example.com:443/", `"@authority"`, `"@authority": hooks.example.com:443`},
		{"path as it is encoded", "https://h.example/a%2Fb/%7Ec;d?x", `"@path"`, `"@path": /a%2Fb/%7Ec;d`},
		{"no path", "https://h.example", `"@path"`, `"@path": /`},
		{"no path but a query", "https://h.example?a", `"@path"`, `"@path": /`},
		{"query as it is encoded", "https://h.example/?b=%2d&a=+&b", `"@query"`, `"@query": ?b=%2d&a=+&b`},
		{"no query", "https://h.example/", `"@query"`, `"@query": ?`},
		{"request target", "https://h.example/a?b", `"@request-target"`, `"@request-target": /a?b`},
		{"request target without a query", "https://h.example", `"@request-target"`, `"@request-target": /`},
		{"query parameter", "https://h.example/?param=value&foo=bar&qux=", `"@query-param";name="param"`, `"@query-param";name="param": value`},
		{"empty query parameter", "https://h.example/?param=value&foo=bar&qux=", `"@query-param";name="qux"`, `"@query-param";name="qux": `},
		{"query parameter of several lines", "https://h.example/?var=this%20is%20a%20big%0Amultiline%20value", `"@query-param";name="var"`, `"@query-param";name="var": this%20is%20a%20big%0Amultiline%20value`},
		{"query parameter with a plus", "https://h.example/?bar=with+plus+whitespace", `"@query-param";name="bar"`, `"@query-param";name="bar": with%20plus%20whitespace`},
		{"query parameter with a name to be encoded", "https://h.example/?fa%C3%A7ade%22%3A%20=something*~", `"@query-param";name="fa%C3%A7ade%22%3A%20"`, `"@query-param";name="fa%C3%A7ade%22%3A%20": something*%7E`},
		{"header field", "https://h.example/", `"x-one"`, `"x-one": a, b`},
		{"header field with blanks around", "https://h.example/", `"x-blanks"`, `"x-blanks": c d`},
		{"header field given twice", "https://h.example/", `"x-two"`, `"x-two": e, f`},
		{"empty header field", "https://h.example/", `"x-empty"`, `"x-empty": `},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target := splitURL(tt.url)
			r := &Request{Method: http.MethodPost, URL: tt.url, Body: []byte(messageBody), Header: http.Header{
				"Content-Digest": {messageDigest}, "X-One": {"a, b"}, "X-Blanks": {" \tc d "}, "X-Two": {"e ", " f"}, "X-Empty": {""},
			}}
			base := "\"content-digest\": " + messageDigest + "\n" + tt.line
			input := `("content-digest" ` + tt.component
			for _, rest := range [][2]string{{`"@authority"`, target.authority}, {`"@path"`, "/" + strings.TrimPrefix(target.path, "/")}, {`"@query"`, "?" + strings.TrimPrefix(target.query, "?")}} {
				if tt.component != rest[0] {
					base += "\n" + rest[0] + ": " + rest[1]
					input += " " + rest[0]
				}
			}
			addMessage(r, "sig1", base, input+")", func(signed []byte) []byte { return sum(sha256.New, "key", string(signed)) })
			s := Scheme{Type: TypeMessage, Algorithm: "hmac-sha256", Signature: "header Signature", Signed: "@authority @path content-digest"}
			if _, err := mustVerifier(t, s, nil).Verify(r, arrival); err != nil {
				t.Error(err)
			}
		})
	}
}

// A signature has to cover what the scheme says, on its own or within something
// more, and what else of the request could be made up.
func TestMessageCoverage(t *testing.T) {
	const digestLine = "\n\"content-digest\": " + messageDigest
	for _, tt := range []struct {
		name, signed, method, query string
		covered, base               string
		says                        string // empty: accepted
	}{
		{"the target URI says all its parts", "@authority @path @query @scheme @request-target content-digest", "POST", "", `"@target-uri"`, `"@target-uri": ` + messageURL, ""},
		{"its parts say the target URI", "@target-uri content-digest", "POST", "", `"@scheme" "@authority" "@path" "@query"`, "\"@scheme\": https\n\"@authority\": hooks.example.com\n\"@path\": /in\n\"@query\": ?", ""},
		{"the request target says path and query", "@authority @path @query content-digest", "POST", "?a=1", `"@authority" "@request-target"`, "\"@authority\": hooks.example.com\n\"@request-target\": /in?a=1", ""},
		{"without the scheme", "@target-uri content-digest", "POST", "", `"@authority" "@path" "@query"`, "\"@authority\": hooks.example.com\n\"@path\": /in\n\"@query\": ?", `"@target-uri"`},
		{"without the path", "@authority @path content-digest", "POST", "", `"@authority"`, `"@authority": hooks.example.com`, `"@path"`},
		{"without a header field", "@target-uri content-digest x-event", "POST", "", `"@target-uri"`, `"@target-uri": ` + messageURL, `"x-event"`},
		{"no query that is not covered", "@authority @path content-digest", "POST", "?a=1", `"@authority" "@path"`, "\"@authority\": hooks.example.com\n\"@path\": /in", `"@query"`},
		{"each parameter of the query", "@authority @path content-digest", "POST", "?a=1&b=2", `"@authority" "@path" "@query-param";name="b" "@query-param";name="a"`, "\"@authority\": hooks.example.com\n\"@path\": /in\n\"@query-param\";name=\"b\": 2\n\"@query-param\";name=\"a\": 1", ""},
		{"not each parameter of the query", "@authority @path content-digest", "POST", "?a=1&b=2", `"@authority" "@path" "@query-param";name="b"`, "\"@authority\": hooks.example.com\n\"@path\": /in\n\"@query-param\";name=\"b\": 2", `"@query"`},
		{"the query says its parameters", `@target-uri content-digest @query-param;name="a"`, "POST", "?a=1", `"@target-uri"`, `"@target-uri": ` + messageURL + "?a=1", ""},
		{"a parameter that is demanded", `@authority @path content-digest @query-param;name="a"`, "POST", "", `"@authority" "@path"`, "\"@authority\": hooks.example.com\n\"@path\": /in", `"@query-param";name="a"`},
		{"the method where it is not POST", "@target-uri content-digest", "PUT", "", `"@target-uri" "@method"`, "\"@target-uri\": " + messageURL + "\n\"@method\": PUT", ""},
		{"no other method that is not covered", "@target-uri content-digest", "PUT", "", `"@target-uri"`, `"@target-uri": ` + messageURL, `"@method"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &Request{Method: tt.method, URL: messageURL + tt.query, Header: http.Header{"Content-Digest": {messageDigest}}, Body: []byte(messageBody)}
			addMessage(r, "sig1", tt.base+digestLine, "("+tt.covered+` "content-digest")`, func(signed []byte) []byte { return sum(sha256.New, "key", string(signed)) })
			s := Scheme{Type: TypeMessage, Algorithm: "hmac-sha256", Signature: "header Signature", Signed: tt.signed}
			_, err := mustVerifier(t, s, nil).Verify(r, arrival)
			if tt.says == "" && err != nil || tt.says != "" && (!errors.Is(err, ErrSignatureMalformed) || !strings.Contains(err.Error(), "does not cover "+tt.says)) {
				t.Errorf("got %v, want it to say %s", err, tt.says)
			}
		})
	}
}

// Each row is a genuine delivery, and how it is changed.
func TestSpoiltMessages(t *testing.T) {
	set := func(name, value string) func(*Request) {
		return func(r *Request) { r.Header.Set(name, value) }
	}
	input := func(from, to string) func(*Request) {
		return func(r *Request) {
			r.Header.Set("Signature-Input", strings.Replace(r.Header.Get("Signature-Input"), from, to, 1))
		}
	}
	for _, tt := range []struct {
		name  string
		spoil func(*Request)
		want  error
		says  string
	}{
		{"not at all", func(*Request) {}, nil, ""},
		{"method", func(r *Request) { r.Method = http.MethodPut }, ErrSignatureMismatch, ""},
		{"host", func(r *Request) { r.URL = "https://evil.example/in" }, ErrSignatureMismatch, ""},
		{"query", func(r *Request) { r.URL += "?admin=1" }, ErrSignatureMismatch, ""},
		{"body", func(r *Request) { r.Body = []byte("{}") }, ErrSignatureMismatch, "Content-Digest is that of another body"},
		{"body and its digest", func(r *Request) {
			r.Body = []byte("{}")
			r.Header.Set("Content-Digest", "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:")
		}, ErrSignatureMismatch, ""},
		{"body taken away", func(r *Request) { r.Body = nil }, ErrSignatureMismatch, ""},
		{"second digest", func(r *Request) { r.Header.Add("Content-Digest", "sha-512=::") }, ErrSignatureMalformed, "sha-512 of Content-Digest"},
		{"no digest", func(r *Request) { r.Header.Del("Content-Digest") }, ErrSignatureMalformed, `"content-digest": it is not there`},
		{"time", input("1767225600", "1767225601"), ErrSignatureMismatch, ""},
		{"nonce", input("d-1", "d-2"), ErrSignatureMismatch, ""},
		{"nonce left out", input(`;nonce="d-1"`, ""), ErrSignatureMismatch, ""},
		{"order of what is covered", input(`"@method" "@target-uri"`, `"@target-uri" "@method"`), ErrSignatureMismatch, ""},
		{"less covered", input(`"@method" `, ""), ErrSignatureMalformed, `does not cover "@method"`},
		{"nothing covered", input(coveredAll, "()"), ErrSignatureMalformed, "does not cover"},
		{"more covered", input(`"@method"`, `"@method" "@path"`), ErrSignatureMismatch, ""},
		{"blanks that mean nothing", input(`"@method" `, `  "@method"   `), nil, ""},
		{"covered twice", input(`"@method"`, `"@method" "@method"`), ErrSignatureMalformed, `covers "@method" twice`},
		{"header field covered twice", input(`"@method"`, `"@method" "content-digest"`), ErrSignatureMalformed, `covers "content-digest" twice`},
		{"what is not there is covered", input(`"@method"`, `"@method" "x-none"`), ErrSignatureMalformed, `covers "x-none": it is not there`},
		{"no such query parameter", input(`"@method"`, `"@method" "@query-param";name="a"`), ErrSignatureMalformed, "it is not there"},
		{"query parameter without a name", input(`"@method"`, `"@method" "@query-param"`), ErrSignatureMalformed, "@query-param is not supported"},
		{"query parameter encoded otherwise", input(`"@method"`, `"@method" "@query-param";name="a b"`), ErrSignatureMalformed, "encoded"},
		{"field of the request that was answered", input(`"@method"`, `"@method";req`), ErrSignatureMalformed, "@method;req is not supported"},
		{"trailer", input(`"content-digest"`, `"content-digest";tr`), ErrSignatureMalformed, "content-digest;tr is not supported"},
		{"field as a structured one", input(`"content-digest"`, `"content-digest";sf`), ErrSignatureMalformed, "content-digest;sf is not supported"},
		{"field's bytes", input(`"content-digest"`, `"content-digest";bs`), ErrSignatureMalformed, "content-digest;bs is not supported"},
		{"member of a field", input(`"content-digest"`, `"content-digest";key="sha-256"`), ErrSignatureMalformed, "content-digest;key is not supported"},
		{"status", input(`"@method"`, `"@method" "@status"`), ErrSignatureMalformed, "@status is not supported"},
		{"signature parameters", input(`"@method"`, `"@method" "@signature-params"`), ErrSignatureMalformed, "@signature-params is not supported"},
		{"name in capitals", input(`"content-digest"`, `"Content-Digest"`), ErrSignatureMalformed, "Content-Digest is no component's name"},
		{"name that is no text", input(`"@method"`, `method`), ErrSignatureMalformed, "no component's name"},
		{"empty name", input(`"@method"`, `""`), ErrSignatureMalformed, "no component's name"},
		{"unknown parameter", input(`;nonce`, `;unless="Monday";nonce`), ErrSignatureMalformed, "parameter unless is unknown"},
		{"parameter of another type", input(`"d-1"`, `1`), ErrSignatureMalformed, "parameter nonce is of another type"},
		{"time of another type", input(`1767225600`, `1767225600.5`), ErrSignatureMalformed, "parameter created is of another type"},
		{"time of a text", input(`1767225600`, `"1767225600"`), ErrSignatureMalformed, "parameter created is of another type"},
		{"time before the first", input(`1767225600`, `-1`), ErrTimestampMalformed, ""},
		{"no time", input(`;created=1767225600`, ``), ErrTimestampMissing, ""},
		{"an hour old", input(`1767225600`, `1767222000`), ErrTimestampTooOld, ""},
		{"an hour ahead", input(`1767225600`, `1767229200`), ErrTimestampTooNew, ""},
		{"more components than any signer names", input(`"@method"`, strings.Repeat(`"x-a" `, maxComponents)+`"@method"`), ErrSignatureMalformed, "more than"},
		{"no list", input(coveredAll, `"@method"`), ErrSignatureMalformed, "Signature-Input does not say"},
		{"other label", input("sig1", "sig2"), ErrSignatureMalformed, "Signature-Input does not say"},
		{"no Signature-Input", func(r *Request) { r.Header.Del("Signature-Input") }, ErrSignatureMalformed, "Signature-Input does not say"},
		{"Signature-Input cut off", input(`)`, ``), ErrSignatureMalformed, "Signature-Input is not written"},
		{"no Signature", func(r *Request) { r.Header.Del("Signature") }, ErrSignatureMissing, ""},
		{"empty Signature", set("Signature", " "), ErrSignatureMissing, ""},
		{"empty signature", set("Signature", "sig1=::"), ErrSignatureMismatch, ""},
		{"Signature that is no dictionary", set("Signature", "sig1=:!:"), ErrSignatureMalformed, "Signature is not written"},
		{"Signature of the drafts before", set("Signature", `keyId="k",algorithm="hmac-sha256",headers="date",signature="AA=="`), ErrSignatureMalformed, ""},
		{"signature that is a text", set("Signature", `sig1="AA=="`), ErrSignatureMalformed, "not a byte sequence"},
		{"signature with a parameter", func(r *Request) { r.Header.Set("Signature", r.Header.Get("Signature")+";x") }, ErrSignatureMalformed, "not a byte sequence"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := signedAs(coveredBase, coveredAll+`;created=1767225600;nonce="d-1"`)
			tt.spoil(r)
			v := mustVerifier(t, messageScheme, nil)
			_, err := v.Verify(r, arrival)
			if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %v that says %q", err, tt.want, tt.says)
			}
			// What the header alone tells is told before the body is read.
			_, err = v.VerifyHeader(r, arrival)
			if early := tt.want != ErrSignatureMismatch; early && !errors.Is(err, tt.want) || !early && err != nil { //nolint:errorlint // the sentinel itself
				t.Errorf("on the header alone: %v", err)
			}
		})
	}
}

// A value with a line break could be taken for the next line of what is signed.
func TestMessageLinesAreNotMadeUp(t *testing.T) {
	base := coveredBase + "\n\"x-note\": a\n\"x-event\": b"
	r := signedAs(base, `("@method" "@target-uri" "content-digest" "x-note" "x-event");created=1767225600`)
	r.Header.Set("X-Note", "a")
	r.Header.Set("X-Event", "b")
	v := mustVerifier(t, messageScheme, nil)
	if _, err := v.Verify(r, arrival); err != nil {
		t.Fatal(err)
	}
	r = signedAs(base, `("@method" "@target-uri" "content-digest" "x-note");created=1767225600`)
	r.Header.Set("X-Note", "a\n\"x-event\": b")
	if _, err := v.Verify(r, arrival); !errors.Is(err, ErrSignatureMalformed) || !strings.Contains(err.Error(), "line break") {
		t.Error(err)
	}
}

func TestContentDigest(t *testing.T) {
	sum256, sum512 := sha256.Sum256([]byte(messageBody)), sha512.Sum512([]byte(messageBody))
	good256, good512 := base64.StdEncoding.EncodeToString(sum256[:]), base64.StdEncoding.EncodeToString(sum512[:])
	bad256 := base64.StdEncoding.EncodeToString(make([]byte, sha256.Size))
	for _, tt := range []struct {
		name, field string
		want        error
	}{
		{"sha-256", "sha-256=:" + good256 + ":", nil},
		{"sha-512", "sha-512=:" + good512 + ":", nil},
		{"both", "sha-512=:" + good512 + ":, sha-256=:" + good256 + ":", nil},
		{"one of them wrong", "sha-512=:" + good512 + ":, sha-256=:" + bad256 + ":", ErrSignatureMismatch},
		{"an unknown one beside", "sha-999=:AA==:, sha-256=:" + good256 + ":;q=1", nil},
		{"a weak one beside", "md5=:AA==:, sha-256=:" + good256 + ":", nil},
		{"a weak one alone", "md5=:JfnnlDI7RTiF9RgfG2JNCw==:", ErrSignatureMalformed},
		{"none", "", ErrSignatureMalformed},
		{"of another size", "sha-256=:AAAA:", ErrSignatureMalformed},
		{"no bytes", `sha-256="` + good256 + `"`, ErrSignatureMalformed},
		{"a list", "sha-256=(:" + good256 + ":)", ErrSignatureMalformed},
		{"no dictionary", "SHA-256=" + good256, ErrSignatureMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := signedAs(strings.Replace(coveredBase, messageDigest, tt.field, 1), coveredAll+";created=1767225600")
			r.Header.Set("Content-Digest", tt.field)
			if _, err := mustVerifier(t, messageScheme, nil).Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
