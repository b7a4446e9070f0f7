package diagnosis_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/diagnosis"
	"github.com/hookpass/hookpass/webhook"
)

// scene is a genuine delivery, the endpoint that it is for, and the process around.
type scene struct {
	t        *testing.T
	provider *catalog.Provider
	secret   string
	delivery diagnosis.Delivery
	endpoint diagnosis.Endpoint
	process  diagnosis.Process
}

// genuine is a delivery of the catalogue's, at the time when it was sent.
func genuine(t *testing.T, id string, vector int) *scene {
	t.Helper()
	p, err := catalog.Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	v := p.Vectors[vector]
	r := webhook.Request{Method: v.Method, URL: v.URL, Header: http.Header{}, Body: []byte(v.Body)}
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	for name, value := range v.Header {
		r.Header.Set(name, value)
	}
	s := &scene{t: t, provider: p, secret: v.Secret, delivery: diagnosis.Delivery{Request: r, Received: v.Time}}
	s.endpoint = diagnosis.Endpoint{Name: id, Provider: id, Scheme: p.Scheme, Tolerance: p.MaxAge(), With: v.With}
	s.configure(v.Secret)
	if v.URL != "" {
		s.arrivesAt(v.URL)
	}
	if f := s.diagnose(); f.Cause != diagnosis.Genuine || !f.Proven {
		t.Fatalf("not genuine to begin with: %+v", f)
	}
	return s
}

func secret(label, text string) diagnosis.Secret {
	return diagnosis.Secret{Label: label, Text: func() string { return text }}
}

func (s *scene) diagnose() diagnosis.Finding {
	return diagnosis.Diagnose(diagnosis.Limits{}, s.delivery, s.endpoint, s.process)
}

// configure sets what the user has written as the secret.
func (s *scene) configure(text string) { s.endpoint.Secrets = []diagnosis.Secret{secret("", text)} }

// signedAs signs the delivery anew, with what the provider holds for the secret, as
// it is in bytes.
func (s *scene) signedAs(key string) {
	s.t.Helper()
	held, err := webhook.ParseSecret("", hex.EncodeToString([]byte(key)), webhook.KeyHex)
	if err != nil {
		s.t.Fatal(err)
	}
	s.sign(s.endpoint.Scheme, held)
}

func (s *scene) sign(scheme webhook.Scheme, held webhook.Secret) {
	s.t.Helper()
	signer, err := webhook.NewSigner(scheme, held, s.endpoint.With)
	if err != nil {
		s.t.Fatal(err)
	}
	at := s.delivery.Received
	if at.IsZero() {
		at = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		s.delivery.Received = at
	}
	if err := signer.Sign(&s.delivery.Request, "", "", at); err != nil {
		s.t.Fatal(err)
	}
}

// signs sets a body, and signs it as the provider does.
func (s *scene) signs(body string) {
	s.t.Helper()
	s.delivery.Request.Body = []byte(body)
	held, err := webhook.ParseSecret("", s.secret, s.endpoint.Scheme.Key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.sign(s.endpoint.Scheme, held)
}

func (s *scene) arrives(body string) { s.delivery.Request.Body = []byte(body) }

func (s *scene) arrivesAt(address string) {
	s.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		s.t.Fatal(err)
	}
	r := &s.delivery.Request
	r.URL, r.Path, r.Query = address, u.EscapedPath(), u.RawQuery
}

func (s *scene) body() string { return string(s.delivery.Request.Body) }

func (s *scene) header() http.Header { return s.delivery.Request.Header }

func (s *scene) rename(from, to string) {
	s.header()[to] = s.header()[from]
	s.header().Del(from)
}

func (s *scene) rewrite(old, replaced string) { s.arrives(strings.ReplaceAll(s.body(), old, replaced)) }

// own makes the scheme one that a user has described, with a mistake.
func (s *scene) own(mistake func(*webhook.Scheme)) {
	s.endpoint.Provider = ""
	mistake(&s.endpoint.Scheme)
}

func (s *scene) other(name, provider, text string) {
	s.t.Helper()
	p, err := catalog.Lookup(provider)
	if err != nil {
		s.t.Fatal(err)
	}
	s.process.Others = append(s.process.Others, diagnosis.Endpoint{Name: name, Provider: p.ID, Scheme: p.Scheme, Tolerance: p.MaxAge(), Secrets: []diagnosis.Secret{secret("", text)}})
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func zlibbed(text string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

// compact is what most frameworks make of JSON that they have parsed.
func compact(text string) string {
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		panic(err)
	}
	return b.String()
}

// Each row is a mistake of real life, made on a genuine delivery, and what has to be
// said of it.
var mistakes = []struct {
	name     string
	provider string
	vector   int
	make     func(*scene)

	cause    diagnosis.Cause
	says     string // a part of the sentence
	remedy   string // a part of the remedy
	unproven bool
}{
	// The secret, groups B and C.
	{"echo put a line break behind the secret at the provider", "github", 1, func(s *scene) { s.signedAs(s.secret + "\n") }, diagnosis.SecretBlanks, "and a line break behind it", "printf", false},
	{"a file from Windows did", "shopify", 0, func(s *scene) { s.signedAs(s.secret + "\r\n") }, diagnosis.SecretBlanks, "CRLF", "Set the secret anew", false},
	{"a blank was copied along into the provider's form", "zoom", 0, func(s *scene) { s.signedAs(s.secret + " ") }, diagnosis.SecretBlanks, "a blank behind it", "Set the secret anew", false},
	{"a blank in front was copied along", "sally", 0, func(s *scene) { s.signedAs(" " + s.secret) }, diagnosis.SecretBlanks, "a blank in front", "Set the secret anew", false},
	{"the secret here ends in a line break", "stripe", 0, func(s *scene) { s.configure(s.secret + "\n") }, diagnosis.SecretBlanks, "configured secret has blanks", "without them", false},
	{"the whsec_ secret here begins with a blank", "standard-webhooks", 0, func(s *scene) { s.configure(" " + s.secret) }, diagnosis.SecretBlanks, "configured secret has blanks", "without them", false},
	{"the secret was wrapped in an editor", "slack", 1, func(s *scene) { s.configure(s.secret[:16] + "\n" + s.secret[16:]) }, diagnosis.SecretBlanks, "inside", "without them", false},
	{"quotes came with it from an environment file", "stripe", 0, func(s *scene) { s.configure(`"` + s.secret + `"`) }, diagnosis.SecretQuoted, "quotes around it", "without them", false},
	{"single quotes came with it", "svix", 0, func(s *scene) { s.configure(`'` + s.secret + `'`) }, diagnosis.SecretQuoted, "quotes around it", "without them", false},
	{"the quotes are at the provider", "saltare", 0, func(s *scene) { s.signedAs(`"` + s.secret + `"`) }, diagnosis.SecretQuoted, "secret in quotes", "at the provider", false},
	{"a whole line of an environment file was pasted", "stripe", 0, func(s *scene) { s.configure("STRIPE_WEBHOOK_SECRET=" + s.secret) }, diagnosis.SecretQuoted, "a whole line of an environment file", "equals sign", false},
	{"the secret was taken from a URL", "sally", 0, func(s *scene) { s.signedAs("key+/=1"); s.configure("key%2B%2F%3D1") }, diagnosis.SecretQuoted, "percent escapes", "not from a URL", false},
	{"the secret was escaped when it was posted to the provider", "github", 1, func(s *scene) { s.signedAs("It%27s+a+Secret+to+Everybody") }, diagnosis.SecretQuoted, "escaped in URLs", "at the provider", false},
	{"the secret was copied from the source of a page", "github", 1, func(s *scene) { s.configure("It&#39;s a Secret to Everybody") }, diagnosis.SecretQuoted, "HTML escapes", "dashboard", false},
	{"Stripe's whsec_ was left out", "stripe", 0, func(s *scene) { s.configure(strings.TrimPrefix(s.secret, "whsec_")) }, diagnosis.SecretPrefix, "lacks it", "with whsec_ in front", false},
	{"the version of Standard Webhooks was copied along", "standard-webhooks", 0, func(s *scene) { s.configure("v1," + s.secret) }, diagnosis.SecretPrefix, `"v1,whsec_"`, "without it", false},
	{"a header's prefix was copied along", "github", 1, func(s *scene) { s.configure("sha256=" + s.secret) }, diagnosis.SecretPrefix, `"sha256="`, "without it", false},
	{"Bearer was copied along", "zoom", 0, func(s *scene) { s.configure("Bearer " + s.secret) }, diagnosis.SecretPrefix, `"Bearer "`, "without it", false},
	{"a sender takes the whsec_ secret for text", "standard-webhooks", 0, func(s *scene) { s.signedAs(s.secret) }, diagnosis.SecretEncoding, "base64 of the secret's bytes|the text of the secret", "key", false},
	{"a sender takes what is behind whsec_ for text", "standard-webhooks", 1, func(s *scene) { s.signedAs(strings.TrimPrefix(s.secret, "whsec_")) }, diagnosis.SecretPrefix, "behind whsec_ as it stands", "text after _", false},
	{"an own scheme does not strip whsec_", "standard-webhooks", 0, func(s *scene) { s.own(func(c *webhook.Scheme) { c.Key = webhook.KeyText }) }, diagnosis.SecretPrefix, "decoded from base64", "key whsec", false},
	{"Adyen's hex key is taken for text", "adyen", 0, func(s *scene) { s.own(func(c *webhook.Scheme) { c.Key = webhook.KeyText }) }, diagnosis.SecretEncoding, "in hex", "correct its key", false},
	{"Slack's hex digits, which are text, are taken for hex", "slack", 1, func(s *scene) {
		s.signedAs("8f742231b10e8888abcd99aaabbb85a5")
		s.configure("8f742231b10e8888abcd99aaabbb85a5")
		s.own(func(c *webhook.Scheme) { c.Key = webhook.KeyHex })
	}, diagnosis.SecretEncoding, "text of the secret", "correct its key", false},
	{"Square's key, which is text, is taken for base64", "square", 0, func(s *scene) {
		s.signedAs("SWJ4eF81QUtha08tM3FlTlZSNjFEdw==")
		s.configure("SWJ4eF81QUtha08tM3FlTlZSNjFEdw==")
		s.own(func(c *webhook.Scheme) { c.Key = webhook.KeyBase64 })
	}, diagnosis.SecretEncoding, "text of the secret", "correct its key", false},
	{"the secret is still in a cluster's base64", "sally", 0, func(s *scene) { s.configure(base64.StdEncoding.EncodeToString([]byte(s.secret + "\n"))) }, diagnosis.SecretEncoding, "base64", "decode", false},
	{"the secret was typed in capitals", "saltare", 0, func(s *scene) { s.configure(strings.ToUpper(s.secret)) }, diagnosis.SecretEncoding, "small letters", "letter by letter", false},
	{"the secret of another endpoint", "stripe", 0, func(s *scene) {
		s.configure("whsec_of_the_first_endpoint")
		s.other("stripe-connect", "stripe", s.secret)
	}, diagnosis.SecretOther, "the secret of endpoint stripe-connect", "give that secret to endpoint stripe", false},
	{"the secret of another endpoint, by its label", "github", 1, func(s *scene) {
		s.configure("another secret")
		s.other("github-org", "github", "unused here")
		s.process.Others[0].Secrets = append(s.process.Others[0].Secrets, secret("previous", s.secret))
	}, diagnosis.SecretOther, "the secret previous of endpoint github-org", "github-org", false},
	{"a secret that is configured for another provider", "shopify", 0, func(s *scene) {
		s.configure("shpss_of_another_app")
		s.other("github", "github", s.secret)
	}, diagnosis.SecretOther, "the secret of endpoint github", "give that secret", false},
	{"test mode meets the live endpoint", "stripe", 0, func(s *scene) {
		s.endpoint.Name = "stripe-live"
		s.configure("whsec_of_live_mode")
		s.other("stripe-test", "stripe", s.secret)
	}, diagnosis.ModeMixed, "test mode met an endpoint of live mode", "stripe-test", false},
	{"live mode meets the sandbox", "adyen", 0, func(s *scene) {
		s.endpoint.Name = "adyen-sandbox"
		s.configure(strings.Repeat("ab", 32))
		s.other("adyen-production", "adyen", s.secret)
	}, diagnosis.ModeMixed, "live mode met an endpoint of test mode", "adyen-production", false},
	{"the public key of another application", "discord", 0, func(s *scene) {
		s.configure("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
		s.other("discord-beta", "discord", s.secret)
	}, diagnosis.SecretOther, "the secret of endpoint discord-beta", "give that secret", false},
	{"the token of another project", "gitlab", 0, func(s *scene) {
		s.configure("the token of this project")
		s.other("gitlab-docs", "gitlab", s.secret)
	}, diagnosis.SecretOther, "the secret of endpoint gitlab-docs", "give that secret", false},
	{"a token in quotes", "telegram", 0, func(s *scene) { s.configure("'" + s.secret + "'") }, diagnosis.SecretQuoted, "quotes around it", "without them", false},
	{"a line break behind the secret, which Paddle signs with", "paddle", 1, func(s *scene) { s.signedAs(s.secret + "\n") }, diagnosis.SecretBlanks, "a line break behind it", "printf", false},
	{"an access token in the place of the client secret", "shopify", 0, func(s *scene) { s.configure("shpat_example_of_an_access_token") }, diagnosis.SecretKind, "an access token", "signing secret", true},
	{"an API key in the place of the signing secret", "stripe", 0, func(s *scene) { s.configure("sk_live_example_of_an_api_key") }, diagnosis.SecretKind, "a secret API key for live mode", "signing secret", true},
	{"a placeholder in the place of the secret", "github", 1, func(s *scene) { s.configure("${GITHUB_WEBHOOK_SECRET}") }, diagnosis.SecretKind, "a variable that was not filled in", "signing secret", true},

	// The wrong door.
	{"deliveries of one provider at the endpoint of another", "github", 1, func(s *scene) {
		shopify := genuine(s.t, "shopify", 0)
		s.delivery = shopify.delivery
		s.other("shop", "shopify", shopify.secret)
	}, diagnosis.WrongEndpoint, "belongs to endpoint shop: the scheme of shopify", "github and shop", false},
	{"the endpoint names the wrong provider", "zoom", 0, func(s *scene) {
		slack := genuine(s.t, "slack", 1)
		s.delivery = slack.delivery
		s.configure(slack.secret)
	}, diagnosis.OtherProvider, "the scheme of slack", "verify_webhook slack", false},
	{"the endpoint names Stripe for deliveries of Standard Webhooks", "stripe", 0, func(s *scene) {
		std := genuine(s.t, "standard-webhooks", 1)
		s.delivery = std.delivery
		s.configure(std.secret)
	}, diagnosis.OtherProvider, "standard-webhooks", "verify_webhook", false},
	{"a provider whose secret is not here", "stripe", 0, func(s *scene) { s.delivery = genuine(s.t, "slack", 1).delivery }, diagnosis.OtherProvider, "those of slack", "verify_webhook slack", true},
	{"another provider, by its many fields", "saltare", 0, func(s *scene) { s.delivery = genuine(s.t, "github", 1).delivery }, diagnosis.OtherProvider, "those of github", "verify_webhook github", true},

	// The body, groups A, J, K, L and M.
	{"CRLF at the end was dropped", "github", 1, func(s *scene) { s.signs(s.body() + "\r\n"); s.arrives(strings.TrimSpace(s.body())) }, diagnosis.BodyLineEnd, "CRLF at its end, which is lost", "byte for byte", false},
	{"a line break at the end was dropped", "stripe", 0, func(s *scene) { s.signs(s.body() + "\n"); s.arrives(strings.TrimSpace(s.body())) }, diagnosis.BodyLineEnd, "a line break at its end, which is lost", "byte for byte", false},
	{"a line break was added", "shopify", 0, func(s *scene) { s.arrives(s.body() + "\n") }, diagnosis.BodyLineEnd, "a line break at its end that was not sent", "byte for byte", false},
	{"CRLF was added", "saltare", 0, func(s *scene) { s.arrives(s.body() + "\r\n") }, diagnosis.BodyLineEnd, "CRLF at its end that was not sent", "byte for byte", false},
	{"line breaks became CRLF", "stripe", 0, func(s *scene) { s.rewrite("\n", "\r\n") }, diagnosis.BodyLineEnd, "plain line breaks, which have become CRLF", "byte for byte", false},
	{"a line break was added to what a token vouches for", "livekit", 0, func(s *scene) { s.arrives(s.body() + "\n") }, diagnosis.BodyLineEnd, "a line break at its end that was not sent", "byte for byte", false},
	{"a byte order mark was added", "sally", 0, func(s *scene) { s.arrives("\ufeff" + s.body()) }, diagnosis.BodyLineEnd, "byte order mark", "byte for byte", false},
	{"a framework made indented JSON compact", "stripe", 0, func(s *scene) { s.arrives(compact(s.body())) }, diagnosis.BodyRewritten, "signed indented by two blanks", "parse it", false},
	{"a tool indented compact JSON", "square", 0, func(s *scene) {
		var b bytes.Buffer
		_ = json.Indent(&b, s.delivery.Request.Body, "", "  ")
		s.arrives(b.String())
	}, diagnosis.BodyRewritten, "signed compact", "parse it", false},
	{"Python's blanks were taken out", "svix", 1, func(s *scene) {
		s.signs(`{"type": "invoice.paid", "data": {"id": "in_1", "customer": "\u0141ukasz"}}`)
		s.arrives(`{"type":"invoice.paid","data":{"id":"in_1","customer":"Łukasz"}}`)
	}, diagnosis.BodyRewritten, "as Python has it", "parse it", false},
	{"a relay dropped PHP's escaped slashes", "github", 1, func(s *scene) {
		s.signs(`{"action":"opened","url":"https:\/\/api.example.com\/issues\/7"}`)
		s.rewrite(`\/`, "/")
	}, diagnosis.BodyRewritten, "slashes escaped", "parse it", false},
	{"PHP's escapes were resolved", "shopify", 0, func(s *scene) {
		s.signs(`{"id":1,"path":"a\/b","name":"Z\u00fcrich \ud83d\ude00"}`)
		s.arrives(`{"id":1,"path":"a/b","name":"Zürich 😀"}`)
	}, diagnosis.BodyRewritten, "as PHP has it", "parse it", false},
	{"Go's escapes of HTML were resolved", "zoom", 0, func(s *scene) {
		s.signs(`{"event":"x","topic":"a \u003cb\u003e \u0026 c"}`)
		s.arrives(`{"event":"x","topic":"a <b> & c"}`)
	}, diagnosis.BodyRewritten, "as Go has it", "parse it", false},
	{".NET's escapes were resolved", "saltare", 0, func(s *scene) {
		s.signs(`{"event":"x","delivery_id":"1","title":"Caf\u00E9 \u002B \u0027tea\u0027"}`)
		s.arrives(`{"event":"x","delivery_id":"1","title":"Café + 'tea'"}`)
	}, diagnosis.BodyRewritten, ".NET", "parse it", false},
	{"unescaped characters were escaped", "svix", 1, func(s *scene) { s.rewrite("Ł", `\u0141`) }, diagnosis.BodyRewritten, "signed compact", "parse it", false},
	{"a sender signs sorted members and sends them as they come", "sally", 0, func(s *scene) {
		s.signs(`{"a":1,"b":{"c":2,"d":3}}`)
		s.arrives(`{"b":{"d":3,"c":2},"a":1}`)
	}, diagnosis.BodyRewritten, "in the order of their names", "parse it", false},
	{"the body came compressed, and was signed before", "github", 1, func(s *scene) { s.arrives(gzipped(s.body())) }, diagnosis.BodyCompressed, "before it was compressed (gzip)", "compression off", false},
	{"deflate, which is zlib", "saltare", 0, func(s *scene) { s.arrives(zlibbed(s.body())) }, diagnosis.BodyCompressed, "zlib", "compression off", false},
	{"it was signed compressed, and decompressed on the way", "github", 1, func(s *scene) {
		plain := s.body()
		s.signs(gzipped(plain))
		s.arrives(plain)
		s.header().Set("Content-Encoding", "gzip")
	}, diagnosis.BodyCompressed, "decompressed on the way", "compressed", true},
	{"a gateway put the body into base64", "stripe", 0, func(s *scene) { s.arrives(base64.StdEncoding.EncodeToString(s.delivery.Request.Body)) }, diagnosis.BodyWrapped, "put into base64", "gateway", false},
	{"a gateway passed its own event on", "slack", 1, func(s *scene) {
		event, _ := json.Marshal(map[string]any{"resource": "/in", "body": base64.StdEncoding.EncodeToString(s.delivery.Request.Body), "isBase64Encoded": true})
		s.arrives(string(event))
	}, diagnosis.BodyWrapped, `base64 in the member "body"`, "gateway", false},
	{"a queue put the body into a member", "zoom", 0, func(s *scene) {
		event, _ := json.Marshal(map[string]string{"payload": s.body()})
		s.arrives(string(event))
	}, diagnosis.BodyWrapped, `the member "payload"`, "gateway", false},
	{"JSON was put into JSON", "square", 1, func(s *scene) { text, _ := json.Marshal(s.body()); s.arrives(string(text)) }, diagnosis.BodyWrapped, "a JSON string", "gateway", false},
	{"GitHub's form was parsed, and its payload passed on", "github", 1, func(s *scene) {
		plain := s.body()
		s.signs("payload=" + url.QueryEscape(plain))
		s.arrives(plain)
	}, diagnosis.BodyWrapped, "sent as the field payload of a form", "byte for byte", false},
	{"a relay put the JSON into a form", "github", 1, func(s *scene) { s.arrives("payload=" + url.QueryEscape(s.body())) }, diagnosis.BodyWrapped, "put into a form", "gateway", false},
	{"Twilio's form became JSON", "twilio", 2, func(s *scene) {
		s.arrives(`{"MessageSid":"SM1234567890ABCDE","From":"+14158675309","To":"+18005551212","Body":"Grüße & Küsse","MediaUrl":""}`)
	}, diagnosis.BodyWrapped, "became JSON", "byte for byte", false},
	{"UTF-8 was taken for Latin-1", "saltare", 0, func(s *scene) {
		s.signs(`{"event":"x","delivery_id":"1","title":"Grüße"}`)
		s.arrives(strings.NewReplacer("ü", "Ã¼", "ß", "Ã\u009f").Replace(s.body()))
	}, diagnosis.BodyCharset, "Latin-1", "decode the body", false},
	{"a form's escapes were written in small letters", "slack", 0, func(s *scene) { s.rewrite("%2F", "%2f"); s.rewrite("%3A", "%3a") }, diagnosis.BodyRewritten, "form was parsed and written anew", "byte for byte", false},
	{"a capture lacks its end", "github", 1, func(s *scene) { s.header().Set("Content-Length", "30"); s.arrives(s.body()[:20]) }, diagnosis.BodyLength, "20 bytes, and Content-Length says 30", "cuts", true},

	{"SendGrid's CRLF at the end was dropped by a parser", "sendgrid", 0, func(s *scene) { s.arrives(strings.TrimSpace(s.body())) }, diagnosis.BodyLineEnd, "CRLF at its end, which is lost", "byte for byte", false},
	{"SendGrid's CRLF became a bare line break", "sendgrid", 0, func(s *scene) { s.rewrite("\r\n", "\n") }, diagnosis.BodyLineEnd, "CRLF at its end, which has become a bare line break", "byte for byte", false},
	{"a framework indented an interaction", "discord", 0, func(s *scene) {
		var b bytes.Buffer
		_ = json.Indent(&b, s.delivery.Request.Body, "", "    ")
		s.arrives(b.String())
	}, diagnosis.BodyRewritten, "signed compact", "parse it", false},
	{"a queue wrapped a delivery whose signature is in the body", "mailgun", 0, func(s *scene) {
		event, _ := json.Marshal(map[string]string{"body": s.body()})
		s.arrives(string(event))
	}, diagnosis.BodyWrapped, `the member "body"`, "gateway", false},
	{"a gateway put such a delivery into base64", "adyen", 0, func(s *scene) { s.arrives(base64.StdEncoding.EncodeToString(s.delivery.Request.Body)) }, diagnosis.BodyWrapped, "put into base64", "gateway", false},

	// The URL, group D.
	{"TLS ends in front: http for https", "twilio", 0, func(s *scene) { s.arrivesAt("http://mycompany.com/myapp.php?foo=1&bar=2") }, diagnosis.URLScheme, "scheme https and not http", "public_url https://mycompany.com", false},
	{"a port was added", "twilio", 0, func(s *scene) { s.arrivesAt("https://mycompany.com:8443/myapp.php?foo=1&bar=2") }, diagnosis.URLPort, "no port where one 8443 arrived", "public_url https://mycompany.com", false},
	{"scheme and port", "square", 0, func(s *scene) {
		s.arrivesAt("http://webhook.site:8080/679a4f3a-dcfa-49ee-bac5-9d0edad886b9")
	}, diagnosis.URLScheme, "no port", "public_url https://webhook.site", false},
	{"the host is the origin's, and the sender's in a forwarded field", "square", 0, func(s *scene) {
		s.arrivesAt("https://origin.internal/679a4f3a-dcfa-49ee-bac5-9d0edad886b9")
		s.header().Set("X-Forwarded-Host", "webhook.site")
	}, diagnosis.URLHost, `host "webhook.site" and not "origin.internal"`, "public_url https://webhook.site", false},
	{"the same in the field Forwarded", "hubspot", 0, func(s *scene) {
		s.arrivesAt("http://10.0.0.7/webhooks/hubspot?portal=62515")
		s.header().Set("Forwarded", `for=192.0.2.1;host=hooks.example.com;proto=https`)
	}, diagnosis.URLScheme, `host "hooks.example.com"`, "public_url https://hooks.example.com", false},
	{"www was entered at the provider", "twilio", 0, func(s *scene) { s.signedAt("https://www.mycompany.com/myapp.php?foo=1&bar=2") }, diagnosis.URLHost, `host "www.mycompany.com"`, "public_url", false},
	{"a trailing slash was added", "square", 0, func(s *scene) { s.arrivesAt(s.delivery.Request.URL + "/") }, diagnosis.URLPath, "path", "public_url", false},
	{"a trailing slash was dropped", "square", 0, func(s *scene) { s.signedAt("https://hooks.example.com/square/") }, diagnosis.URLPath, `path "/square/" and not "/square"`, "keep the path", false},
	{"a prefix was stripped, and named in a field", "hubspot", 0, func(s *scene) {
		s.arrivesAt("https://hooks.example.com/hubspot?portal=62515")
		s.header().Set("X-Forwarded-Prefix", "/webhooks")
	}, diagnosis.URLPath, `path "/webhooks/hubspot" and not "/hubspot"`, "public_url", false},
	{"a prefix was stripped, and the target kept in a field", "twilio", 0, func(s *scene) {
		s.arrivesAt("https://mycompany.com/?foo=1&bar=2")
		s.header().Set("X-Original-URI", "/myapp.php?foo=1&bar=2")
	}, diagnosis.URLPath, `path "/myapp.php"`, "keep the path", false},
	{"a prefix was added", "square", 1, func(s *scene) { s.arrivesAt("https://hooks.example.com/internal/square?shop=1") }, diagnosis.URLPath, `path "/square" and not "/internal/square"`, "public_url", false},
	{"the query was put in order", "twilio", 0, func(s *scene) { s.arrivesAt("https://mycompany.com/myapp.php?bar=2&foo=1") }, diagnosis.URLQuery, "query in another order", "Have the proxy keep the query", false},
	{"a query was added", "square", 0, func(s *scene) { s.arrivesAt(s.delivery.Request.URL + "?utm_source=x") }, diagnosis.URLQuery, "no query", "query", false},
	{"escapes in the path were written anew", "square", 0, func(s *scene) {
		s.signedAt("https://hooks.example.com/in%2fsquare")
		s.arrivesAt("https://hooks.example.com/in%2Fsquare")
	}, diagnosis.URLPath, "path", "keep the path", false},

	// Header fields, groups C, N and P.
	{"a proxy turned dashes into underscores", "github", 1, func(s *scene) { s.rename("X-Hub-Signature-256", "X_Hub_Signature_256") }, diagnosis.HeaderRenamed, `"X_Hub_Signature_256"`, "expected_underscore_headers", false},
	{"CGI names", "zoom", 0, func(s *scene) { s.rename("X-Zm-Signature", "Http_x_zm_signature") }, diagnosis.HeaderRenamed, "X-Zm-Signature", "keep the names", false},
	{"a gateway remapped the field", "shopify", 0, func(s *scene) { s.rename("X-Shopify-Hmac-Sha256", "X-Amzn-Remapped-X-Shopify-Hmac-Sha256") }, diagnosis.HeaderRenamed, "X-Shopify-Hmac-Sha256", "keep the names", false},
	{"both fields were renamed", "slack", 1, func(s *scene) {
		s.rename("X-Slack-Signature", "X-Original-Slack-Signature")
		s.rename("X-Slack-Request-Timestamp", "X-Original-Slack-Request-Timestamp")
	}, diagnosis.HeaderRenamed, "arrived under the name", "keep the names", false},
	{"the id that is signed was dropped", "standard-webhooks", 0, func(s *scene) { s.header().Del("Webhook-Id") }, diagnosis.HeaderMissing, "Webhook-Id, which has the delivery id", "drops it", true},
	{"the timestamp was dropped", "slack", 1, func(s *scene) { s.header().Del("X-Slack-Request-Timestamp") }, diagnosis.HeaderMissing, "X-Slack-Request-Timestamp", "drops it", true},
	{"no secret was entered at the provider", "github", 1, func(s *scene) { s.header().Del("X-Hub-Signature-256") }, diagnosis.HeaderMissing, "X-Hub-Signature-256", "until a secret is entered", true},
	{"the signature was cleared", "saltare", 0, func(s *scene) { s.header().Set("X-Saltare-Signature", "") }, diagnosis.HeaderEmpty, "X-Saltare-Signature", "clears it", true},
	{"the field came twice, and a proxy joined them", "shopify", 0, func(s *scene) {
		v := s.header().Get("X-Shopify-Hmac-Sha256")
		s.header().Set("X-Shopify-Hmac-Sha256", v+", "+v)
	}, diagnosis.HeaderJoined, "X-Shopify-Hmac-Sha256", "pass each field on", false},
	{"two timestamps were joined", "sally", 0, func(s *scene) { s.header().Set("X-Sally-Timestamp", "1767225600, 1767225600") }, diagnosis.HeaderJoined, "X-Sally-Timestamp", "pass each field on", false},
	{"a list of signatures came with commas for blanks", "svix", 0, func(s *scene) {
		s.header().Set("Svix-Signature", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,"+s.header().Get("Svix-Signature"))
	}, diagnosis.HeaderJoined, "Svix-Signature", "pass each field on", false},
	{"the prefix was cut off", "github", 1, func(s *scene) { s.cutPrefix("X-Hub-Signature-256", "sha256=") }, diagnosis.HeaderValue, `without the prefix "sha256="`, "as it came", false},
	{"a prefix was put in front", "sally", 0, func(s *scene) { s.header().Set("X-Sally-Signature", "sha256="+s.header().Get("X-Sally-Signature")) }, diagnosis.HeaderValue, "with a prefix in front", "as it came", false},
	{"the signature is in quotes", "zoom", 0, func(s *scene) { s.header().Set("X-Zm-Signature", `"`+s.header().Get("X-Zm-Signature")+`"`) }, diagnosis.HeaderValue, "in quotes", "as it came", false},
	{"the signature is escaped as in a URL", "shopify", 0, func(s *scene) {
		s.header().Set("X-Shopify-Hmac-Sha256", url.QueryEscape(s.header().Get("X-Shopify-Hmac-Sha256")))
	}, diagnosis.HeaderValue, "escaped as in a URL", "as it came", false},
	{"plus signs became blanks", "square", 0, func(s *scene) {
		s.signs(`{"event_id":"7","type":"a"}`)
		for i := 0; !strings.Contains(s.header().Get("X-Square-Hmacsha256-Signature"), "+"); i++ {
			s.signs(fmt.Sprintf(`{"event_id":"%d","type":"a"}`, i))
		}
		s.header().Set("X-Square-Hmacsha256-Signature", strings.ReplaceAll(s.header().Get("X-Square-Hmacsha256-Signature"), "+", " "))
	}, diagnosis.HeaderValue, "blanks in the place of plus signs", "as it came", false},
	{"Python's b'' came along", "sally", 0, func(s *scene) { s.header().Set("X-Sally-Signature", "b'"+s.header().Get("X-Sally-Signature")+"'") }, diagnosis.HeaderValue, "Python", "as it came", false},
	{"the prefix is in capitals", "saltare", 0, func(s *scene) {
		s.header().Set("X-Saltare-Signature", strings.Replace(s.header().Get("X-Saltare-Signature"), "sha256", "SHA256", 1))
	}, diagnosis.HeaderValue, "other letters", "as it came", false},
	{"only the SHA-1 field arrived", "github", 1, func(s *scene) {
		old := s.endpoint.Scheme
		old.Algorithm, old.Signature = "sha1", "header X-Hub-Signature sha1={signature}"
		held, _ := webhook.ParseSecret("", s.secret, webhook.KeyText)
		s.sign(old, held)
		s.header().Del("X-Hub-Signature-256")
	}, diagnosis.OldDigest, "Only X-Hub-Signature with SHA-1 arrived", "SHA-256", false},

	// A scheme that a user has described, group N.
	{"hex for base64", "shopify", 0, func(s *scene) { s.own(func(c *webhook.Scheme) { c.Encoding = "hex" }) }, diagnosis.Encoding, "in base64 and not in hex", "Write encoding base64", false},
	{"base64 for hex", "sally", 0, func(s *scene) { s.own(func(c *webhook.Scheme) { c.Encoding = "base64" }) }, diagnosis.Encoding, "in hex and not in base64", "Write encoding hex", false},
	{"SHA-1 for SHA-256", "saltare", 0, func(s *scene) { s.own(func(c *webhook.Scheme) { c.Algorithm = "sha1" }) }, diagnosis.Algorithm, "with sha256 and not with sha1", "Write algorithm sha256", false},
	{"the timestamp was not thought of", "saltare", 0, func(s *scene) { s.own(func(c *webhook.Scheme) { c.Signed = "{timestamp}{body}" }) }, diagnosis.SignedText, `covers "{timestamp}.{body}"`, `Write signed "{timestamp}.{body}"`, false},
	{"the timestamp is not signed", "github", 1, func(s *scene) {
		s.header().Set("X-Time", "1767225600")
		s.own(func(c *webhook.Scheme) { c.Timestamp, c.Signed = "header X-Time", "{timestamp}.{body}" })
		s.endpoint.Tolerance = 0
	}, diagnosis.SignedText, `covers "{body}"`, `Write signed "{body}"`, false},

	// Time, group E.
	{"milliseconds for seconds", "slack", 1, func(s *scene) {
		s.own(func(c *webhook.Scheme) { c.Timestamp += " milliseconds" })
		s.signsWith(func(c *webhook.Scheme) { c.Timestamp = "header X-Slack-Request-Timestamp seconds" })
	}, diagnosis.TimestampUnit, "is seconds, and the scheme takes it for milliseconds", "X-Slack-Request-Timestamp seconds", false},
	{"seconds for milliseconds", "hubspot", 0, func(s *scene) { s.own(func(c *webhook.Scheme) { c.Timestamp = "header X-HubSpot-Request-Timestamp" }) }, diagnosis.TimestampUnit, "is milliseconds, and the scheme takes it for seconds", "milliseconds", false},
	{"a date for seconds", "saltare", 0, func(s *scene) { s.signsWith(func(c *webhook.Scheme) { c.Timestamp += " rfc3339" }) }, diagnosis.TimestampUnit, "an RFC 3339 date", "rfc3339", false},
	{"held back too long", "stripe", 0, func(s *scene) { s.delivery.Received = s.delivery.Received.Add(7*time.Minute + 12*time.Second) }, diagnosis.TooOld, "7m12s before it arrived, 2m12s more", "raise tolerance", false},
	{"signed in the future", "zoom", 0, func(s *scene) { s.delivery.Received = s.delivery.Received.Add(-time.Hour) }, diagnosis.TooNew, "1h0m0s after it arrived, 55m0s more", "sender's clock", false},
	{"the clock here is wrong", "slack", 1, func(s *scene) {
		s.delivery.Received = s.delivery.Received.Add(10 * time.Minute)
		s.process.Ages = map[string]time.Duration{"stripe": 10*time.Minute + time.Second, "zoom": 9*time.Minute + 59*time.Second}
	}, diagnosis.ClockOff, "about 10m", "NTP", false},
	{"the clock here is right", "slack", 1, func(s *scene) {
		s.delivery.Received = s.delivery.Received.Add(10 * time.Minute)
		s.process.Ages = map[string]time.Duration{"stripe": time.Second, "zoom": -time.Second}
	}, diagnosis.TooOld, "The clock here is right", "raise tolerance", false},

	// Two at once.
	{"the secret of another endpoint, and a body that was written anew", "stripe", 0, func(s *scene) {
		s.configure("whsec_of_the_first_endpoint")
		s.other("stripe-connect", "stripe", s.secret)
		s.arrives(compact(s.body()))
	}, diagnosis.BodyRewritten, "Besides: It is signed with the secret of endpoint stripe-connect", "parse it", false},
	{"a line break behind the secret, and TLS that ends in front", "square", 0, func(s *scene) {
		s.signedAs(s.secret + "\n")
		s.arrivesAt(strings.Replace(s.delivery.Request.URL, "https", "http", 1))
	}, diagnosis.URLScheme, "Besides: The sender signs with the configured secret and a line break", "public_url", false},
}

// signedAt signs the delivery for another address than the one where it arrives.
func (s *scene) signedAt(address string) {
	arrives := strings.TrimSuffix(strings.Replace(address, "www.", "", 1), "/")
	s.arrivesAt(address)
	s.signs(s.body())
	s.arrivesAt(arrives)
}

// signsWith has the provider sign by a somewhat different scheme.
func (s *scene) signsWith(change func(*webhook.Scheme)) {
	s.t.Helper()
	scheme := s.endpoint.Scheme
	change(&scheme)
	held, err := webhook.ParseSecret("", s.secret, scheme.Key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.sign(scheme, held)
}

func (s *scene) cutPrefix(name, prefix string) {
	s.header().Set(name, strings.TrimPrefix(s.header().Get(name), prefix))
}

func TestMistakes(t *testing.T) {
	for _, tt := range mistakes {
		t.Run(tt.name+" at "+tt.provider, func(t *testing.T) {
			s := genuine(t, tt.provider, tt.vector)
			tt.make(s)
			f := s.diagnose()
			said := false
			for says := range strings.SplitSeq(tt.says, "|") {
				said = said || strings.Contains(f.Sentence, says)
			}
			if f.Cause != tt.cause || f.Proven == tt.unproven || !said || !strings.Contains(f.Remedy, tt.remedy) {
				t.Errorf("got %+v\nwant %s, %q, %q", f, tt.cause, tt.says, tt.remedy)
			}
		})
	}
}
