package caddymodule

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// question is an unsigned request of a provider.
func (g *gate) question(method, target, body string, header ...string) answer {
	g.Helper()
	r, err := http.NewRequestWithContext(g.Context(), method, g.url(target), strings.NewReader(body))
	if err != nil {
		g.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return g.do(r)
}

func TestUnsignedHandshakesAreAnsweredHere(t *testing.T) {
	app := newApplication(t)
	site := ""
	for _, endpoint := range []string{"facebook-messenger {\n with verify_token expected\n", "mandrill {\n public_url https://h.example\n", "woocommerce {\n", "dropbox {\n", "microsoft-graph {\n", "braintree {\n with public_key public\n", "daily {\n", "websub {\n with topic https://t.example\n", "microsoft-graph {\n"} {
		provider, _, _ := strings.Cut(endpoint, " ")
		site += "route /" + provider + " {\n verify_webhook " + endpoint + " secret " + testSecret + "\n }\n reverse_proxy APP\n}\n"
	}
	g := serve(t, app, site)
	for _, tt := range []struct {
		name, method, target, body string
		header                     []string
		status                     int
		says                       string
	}{
		{name: "the right token", method: "GET", target: "/facebook-messenger?hub.mode=subscribe&hub.verify_token=expected&hub.challenge=%3Cb%3E1158", status: 200, says: "<b>1158"},
		{name: "a wrong token", method: "GET", target: "/facebook-messenger?hub.mode=subscribe&hub.verify_token=guess&hub.challenge=1158", status: 403, says: invalidBody},
		{name: "no question at all", method: "GET", target: "/facebook-messenger", status: 401, says: invalidBody},
		{name: "a method that nobody asks with", method: "PUT", target: "/facebook-messenger", status: 405, says: `{"error":"Method not allowed"}`},
		{name: "a probe", method: "HEAD", target: "/mandrill", status: 200},
		{name: "a question in the body", method: "POST", target: "/woocommerce", body: "webhook_id=7", header: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 200},
		{name: "a delivery that wants to pass for a question", method: "POST", target: "/woocommerce", body: "webhook_id=7", header: []string{"X-WC-Webhook-Signature", strings.Repeat("A", 43) + "="}, status: 401, says: invalidBody},
		{name: "a body that is no question", method: "POST", target: "/woocommerce", body: "x=7", status: 401, says: invalidBody},
		{name: "a question of who signs in the body", method: "POST", target: "/microsoft-graph?validationToken=a%3Ab", status: 200, says: "a:b"},
		{name: "a forgery that wants to pass for such a question", method: "POST", target: "/microsoft-graph?validationToken=a", body: `{"value":[{"clientState":"guess"}]}`, status: 401, says: invalidBody},
		{name: "a challenge", method: "GET", target: "/dropbox?challenge=abc", status: 200, says: "abc"},
		{name: "a token to repeat", method: "POST", target: "/microsoft-graph?validationToken=Validation%3A+Testing+%3Cb%3E", status: 200, says: "Validation: Testing <b>"},
		{name: "a delivery with a token to repeat", method: "POST", target: "/microsoft-graph?validationToken=x", body: `{"value":[{"clientState":"guess"}]}`, status: 401, says: invalidBody},
		// printf hunter2-test-secret | openssl dgst -sha1, and with that as its key
		// printf 0123456789abcdef0123 | openssl dgst -sha1 -mac HMAC
		{name: "a challenge of hex", method: "GET", target: "/braintree?bt_challenge=0123456789abcdef0123", status: 200, says: "public|a41c4dc3eef6fe307a81c72aa61acc9754ac7040"},
		{name: "a challenge that could be a payload", method: "GET", target: "/braintree?bt_challenge=PG5vdGlmaWNhdGlvbj48a2luZD4", status: 401, says: invalidBody},
		{name: "a test before there is a secret", method: "POST", target: "/daily", body: `{"test":"test"}`, status: 200},
		{name: "an event that is not signed", method: "POST", target: "/daily", body: `{"test":"tests"}`, status: 401, says: invalidBody},
		{name: "the right topic", method: "GET", target: "/websub?hub.mode=subscribe&hub.topic=https://t.example&hub.challenge=c", status: 200, says: "c"},
		{name: "another topic", method: "GET", target: "/websub?hub.mode=subscribe&hub.topic=https://u.example&hub.challenge=c", status: 404, says: invalidBody},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := g.question(tt.method, tt.target, tt.body, tt.header...)
			a.wants(t, tt.status, tt.says)
			if a.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("a browser may take the answer for a page")
			}
		})
	}
	if n := len(app.calls()); n != 0 {
		t.Errorf("the application was called %d times", n)
	}
}

// What eBay asks is answered with parameters alone: its keys are fetched.
func TestHandshakesBesideFetchedKeys(t *testing.T) {
	t.Setenv("VERIFICATION_TOKEN", "an-example-of-a-token-of-40-characters-x")
	app := newApplication(t)
	g := serve(t, app, `
	route /ebay {
		verify_webhook ebay {
			with client_id id
			with client_secret secret
			with host api.ebay.com
			with endpoint https://hooks.example.com/ebay
			with verification_token {env.VERIFICATION_TOKEN}
		}
		reverse_proxy APP
	}
	route /circle {
		verify_webhook circle {
			with api_key key
			with public_key_endpoint v2/notifications/publicKey
		}
		reverse_proxy APP
	}
`)
	// printf a8628072-3d33-45ee-9004-bee86830a22dan-example-of-a-token-of-40-characters-xhttps://hooks.example.com/ebay | openssl dgst -sha256
	g.question("GET", "/ebay?challenge_code=a8628072-3d33-45ee-9004-bee86830a22d", "").wants(t, 200, `{"challengeResponse":"d1877a7dc945a91f9a6360b830ba3b5625adaf6d25c2abec2d2edba627d66d6a"}`)
	g.question("GET", "/ebay", "").wants(t, 401, invalidBody)
	g.question("HEAD", "/circle", "").wants(t, 200, "")
	if n := len(app.calls()); n != 0 {
		t.Errorf("the application was called %d times", n)
	}
}

func TestRefusalWithoutABodyWhereTheProviderWantsIt(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, "verify_webhook xero "+testSecret+"\nreverse_proxy APP")
	intent := event{provider: "xero", body: `{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3r4Nd0mt3xt"}`}
	g.send("/", intent).wants(t, 200, "")
	intent.secret = "guess"
	g.send("/", intent).wants(t, 401, "")
	if n := len(app.calls()); n != 0 {
		t.Errorf("the application was called %d times", n)
	}
}

func TestAnswerComputedFromTheSecret(t *testing.T) {
	g := serve(t, newApplication(t), "verify_webhook zoom "+testSecret+"\nreverse_proxy APP")
	question := event{provider: "zoom", body: `{"event":"endpoint.url_validation","payload":{"plainToken":"token"}}`}
	// printf token | openssl dgst -sha256 -hmac hunter2-test-secret
	g.send("/", question).wants(t, 200, `{"encryptedToken":"f7f76882e2bfc4c46b1766b0ccbcd1a37f395aae7cfec0dfa1c26caa8818f186","plainToken":"token"}`)
	question.secret = "guess"
	g.send("/", question).wants(t, 401, invalidBody)
}

func TestHandshakeInMonitorModeGoesOn(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, "verify_webhook dropbox "+testSecret+" {\n mode monitor\n}\nreverse_proxy APP")
	g.question("GET", "/?challenge=abc", "").wants(t, 200, "handled")
	if lines := g.lines(); len(lines) != 1 || lines[0]["verdict"] != "handshake" {
		t.Errorf("logged %v", lines)
	}
}

// A copy is answered with what makes Dropbox Sign stop to send more of them, and
// so are its test and an event that the application need not see.
func TestAnswerThatTheProviderMustRead(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, "verify_webhook dropbox-sign {\n secret "+testSecret+"\n events *sent callback_test\n}\nreverse_proxy APP")
	at := strconv.FormatInt(time.Now().Unix(), 10)
	post := func(eventType string) answer {
		mac := hmac.New(sha256.New, []byte(testSecret))
		mac.Write([]byte(at + eventType))
		body := fmt.Sprintf("--b\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n"+
			`{"event":{"event_time":%q,"event_type":%q,"event_hash":"%x"}}`+"\r\n--b--\r\n", at, eventType, mac.Sum(nil))
		return g.question("POST", "/", body, "Content-Type", "multipart/form-data; boundary=b")
	}
	const received = "Hello API Event Received"
	post("signature_request_sent").wants(t, 200, "handled")
	post("signature_request_viewed").wants(t, 200, received)
	post("callback_test").wants(t, 200, received)
	again := post("signature_request_sent")
	again.wants(t, 200, received)
	if sent := again.header.Get("Content-Type"); sent != "text/plain; charset=utf-8" {
		t.Errorf("content type %q", sent)
	}
	if n := len(app.calls()); n != 1 {
		t.Errorf("the application was called %d times", n)
	}
}

func TestStatusThatTheProviderInsistsOn(t *testing.T) {
	file, err := os.ReadFile("../catalog/providers/saltare.yaml")
	if err != nil {
		t.Fatal(err)
	}
	providers := t.TempDir()
	if err := os.WriteFile(filepath.Join(providers, "acme.yaml"), append(file, "received: {status: 204}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.options = "providers " + providers
	g.load(app, strings.Replace(saltareSite, "saltare", "acme", 1))
	e := event{id: "once"}
	g.send("/", e).wants(t, 200, "handled")
	g.send("/", e).wants(t, 204, "")
}
