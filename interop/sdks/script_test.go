package sdks

import (
	"net/url"
	"testing"
	"time"

	"github.com/hookpass/hookpass/webhook"
)

// provider is what sdks.mjs says of one.
type provider struct {
	ID      string            `json:"id"`
	Signs   bool              `json:"signs"`   // the SDK signs, else hookpass's signer
	Keys    bool              `json:"keys"`    // what verifies is not what signs
	Secrets []string          `json:"secrets"` // empty for the usual ones
	Ageless bool              `json:"ageless"` // the SDK lets old deliveries pass
	With    map[string]string `json:"with"`
}

// keys are those of one account with a provider.
type keys struct {
	Secret string `json:"secret,omitempty"` // what the user of hookpass configures
	Key    string `json:"key,omitempty"`    // what signs, if that is not the secret
}

// task is a line that sdks.mjs reads.
type task struct {
	keys

	Action   string            `json:"action"`
	Provider string            `json:"provider,omitempty"`
	Note     string            `json:"note,omitempty"`
	Bare     bool              `json:"bare,omitempty"`
	Time     time.Time         `json:"time,omitzero"`
	ID       string            `json:"id,omitempty"`
	Event    string            `json:"event,omitempty"`
	Method   string            `json:"method,omitempty"`
	URL      string            `json:"url,omitempty"`
	Header   map[string]string `json:"header,omitempty"`
	Body     string            `json:"body,omitempty"`
}

// answer is a line that sdks.mjs writes: a delivery, or what the SDK says of one.
type answer struct {
	URL     string            `json:"url"`
	Header  map[string]string `json:"header"`
	Body    string            `json:"body"`
	Refusal string            `json:"refusal"`
	Crash   bool              `json:"crash"`
}

func setURL(t *testing.T, r *webhook.Request, address string) {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	r.URL, r.Path, r.Query = address, parsed.EscapedPath(), parsed.RawQuery
}
