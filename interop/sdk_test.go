package interop

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// sdk is a provider's official SDK, or what stands in for it in sdk.mjs.
type sdk struct {
	name, provider string
	secret, other  string
	signature      string   // the header field with the signature
	signs          bool     // it can sign, too
	flags          []string // what "hookpass send" needs beyond the usual

	// What it says of a signature that does not match, and of a time that is too
	// long ago; empty if the provider signs no time.
	saysMismatch, saysTooOld string
}

var sdks = []sdk{
	{
		name: "stripe", provider: "stripe", signature: "Stripe-Signature", signs: true,
		secret: "whsec_test_4eC39HqLyjWDarjtT1zdp7dc", other: "whsec_test_another",
		saysMismatch: "No signatures found matching", saysTooOld: "Timestamp outside the tolerance zone",
	},
	{
		name: "octokit", provider: "github", signature: "X-Hub-Signature-256", signs: true,
		secret: "It's a Secret to Everybody", other: "another secret",
		saysMismatch: "does not match",
	},
	{
		name: "standardwebhooks", provider: "standard-webhooks", signature: "Webhook-Signature", signs: true,
		secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", other: "whsec_YW5vdGhlciBzZWNyZXQgYW5vdGhlciBzZWM=",
		saysMismatch: "No matching signature found", saysTooOld: "Message timestamp too old",
	},
	{
		name: "svix", provider: "standard-webhooks", signature: "Webhook-Signature", signs: true,
		secret: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", other: "whsec_YW5vdGhlciBzZWNyZXQgYW5vdGhlciBzZWM=",
		saysMismatch: "No matching signature found", saysTooOld: "Message timestamp too old",
	},
	{
		name: "slack", provider: "slack", signature: "X-Slack-Signature",
		secret: "8f742231b10e8888abcd99yyyzzz85a5", other: "another secret",
		saysMismatch: "signature mismatch", saysTooOld: "request is stale",
	},
	{
		name: "shopify", provider: "shopify", signature: "X-Shopify-Hmac-Sha256",
		secret: "shpss_example_client_secret", other: "another secret",
		flags:        []string{"--header", "X-Shopify-Shop-Domain: test.myshopify.com", "--header", "X-Shopify-API-Version: 2026-07"},
		saysMismatch: "invalid_hmac",
	},
	{
		name: "saltare", provider: "saltare", signature: "X-Saltare-Signature", signs: true,
		secret: "saltare-example-secret", other: "another secret",
		saysMismatch: "does not match", saysTooOld: "too old",
	},
	{
		name: "sally", provider: "sally", signature: "X-Sally-Signature", signs: true,
		secret: "sally-example-secret", other: "another secret",
		saysMismatch: "does not match", saysTooOld: "too old",
	},
}

// sign has the SDK sign a delivery at the given time. Its id and event stand in
// the body under the names that the providers have for them.
func (l *lab) sign(t *testing.T, s sdk, secret, body string, at time.Time) delivery {
	t.Helper()
	id := newID()
	body = strings.Replace(body, "{", fmt.Sprintf(`{"id":%[1]q,"delivery_id":%[1]q,"type":%[2]q,"event":%[2]q,`, id, event), 1)
	var answer answer
	l.sdks.Ask(t, task{SDK: s.name, Action: "sign", Secret: secret, Body: body, ID: id, Event: event, Timestamp: at.Unix()}, &answer)
	if answer.Error != "" {
		t.Fatal(answer.Error)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	for name, value := range answer.Header {
		header.Set(name, value)
	}
	return delivery{id: id, header: header, body: []byte(body)}
}

// send has "hookpass send" make a delivery; flags come after, and so instead of,
// the usual.
func (l *lab) send(t *testing.T, s sdk, body string, flags ...string) delivery {
	t.Helper()
	wire := newRecorder(t)
	id := newID()
	args := []string{s.provider, "--secret", s.secret, "--id", id, "--event", event, "--data", body, "--to", wire.URL}
	l.hookpass.send(t, append(append(args, s.flags...), flags...)...)
	d := wire.next(t)
	d.id = id
	return d
}

// verify asks the SDK whether the delivery is genuine, and returns why not.
func (l *lab) verify(t *testing.T, s sdk, d delivery) (refusal string) {
	t.Helper()
	header := map[string]string{} // as in node:http
	for name := range d.header {
		header[strings.ToLower(name)] = d.header.Get(name)
	}
	var answer answer
	l.sdks.Ask(t, task{SDK: s.name, Action: "verify", Secret: s.secret, Body: string(d.body), Header: header}, &answer)
	return answer.Error
}

// task is a line that sdk.mjs reads.
type task struct {
	SDK       string            `json:"sdk"`
	Action    string            `json:"action"`
	Secret    string            `json:"secret"`
	Body      string            `json:"body"`
	Header    map[string]string `json:"header,omitempty"`
	ID        string            `json:"id,omitempty"`
	Event     string            `json:"event,omitempty"`
	Timestamp int64             `json:"timestamp,omitempty"` // in seconds
}

// answer is a line that sdk.mjs writes.
type answer struct {
	Header map[string]string `json:"header"`
	Error  string            `json:"error"`
}
