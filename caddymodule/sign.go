package caddymodule

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

// Sign is how an endpoint signs what it forwards, in the manner of Standard
// Webhooks: the fields Webhook-Id, which is the same on every attempt of a
// delivery, Webhook-Timestamp, when it was forwarded, and Webhook-Signature. They
// replace what the sender wrote there. In monitor mode, what is not proven is
// forwarded without them.
type Sign struct {
	// The secret that the application verifies with: base64 behind "whsec_", or a
	// text, whose bytes are the key. Write {env.NAME} or {file./absolute/path}: both
	// are read when the configuration is loaded, and show in no dump of it. Required.
	Value string `json:"value"`

	// Where it stands in the Caddyfile, for error messages. The adapter sets it.
	Source string `json:"source,omitempty"`
}

// signer returns nil if there is nothing to sign. No error quotes the secret.
func (s *Sign) signer(repl *caddy.Replacer) (*webhook.Signer, error) {
	if s == nil {
		return nil, nil
	}
	standard, err := catalog.Lookup("standard-webhooks")
	if err != nil {
		return nil, err
	}
	secret, err := s.secret(repl)
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, Secret{Source: s.Source}.at())
	}
	return webhook.NewSigner(standard.Scheme, secret, nil)
}

func (s *Sign) secret(repl *caddy.Replacer) (webhook.Secret, error) {
	text, err := resolveText(repl, s.Value)
	if err != nil {
		return webhook.Secret{}, err
	}
	form := webhook.KeyText
	if strings.HasPrefix(text, "whsec_") {
		form = webhook.KeyWhsec
	}
	secret, err := webhook.ParseSecret("", text, form)
	switch {
	case errors.Is(err, webhook.ErrSecretEmpty):
		err = fmt.Errorf("%w: write one, such as {env.NAME}", err)
	case errors.Is(err, webhook.ErrSecretEncoding):
		err = fmt.Errorf(`%w: what follows "whsec_" must be base64`, webhook.ErrSecretEncoding)
	}
	return secret, err
}

// The fields of Standard Webhooks. Some applications read an underscore as a dash.
var signedFields = []string{"webhook-id", "webhook-timestamp", "webhook-signature"}

// sign replaces what the sender wrote into the fields that the application trusts.
// Those of a Standard Webhooks provider go, too: the application verifies one
// secret, ours.
func (x *exchange) sign(now time.Time) error {
	if x.h.signer == nil {
		return nil
	}
	id := x.messageID() // which may stand in one of them
	for name := range x.r.Header {
		dashed := strings.ReplaceAll(name, "_", "-")
		for _, field := range signedFields {
			if strings.EqualFold(dashed, field) {
				delete(x.r.Header, name)
			}
		}
	}
	if !x.verified {
		return nil
	}
	return x.h.signer.Sign(&x.request, id, "", now)
}

// messageID is the provider's id, or else a digest of what deduplication knows the
// delivery by.
func (x *exchange) messageID() string {
	if id := x.delivery.ID; isMessageID(id) {
		return id
	}
	known := x.dedupID()
	return "hookpass_" + hex.EncodeToString(known[:])
}

// isMessageID reports whether id arrives as it was signed, and ends where it ends:
// the specification has a dot between it and the timestamp, and allows none in it.
// What is no visible ASCII, or too long, servers cut, trim or read otherwise.
func isMessageID(id string) bool {
	return id != "" && len(id) <= maxHeaderValue &&
		!strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' || c == '.' })
}
