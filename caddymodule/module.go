// Package caddymodule makes hookpass a part of Caddy: the handler
// http.handlers.verify_webhook and the app webhooks, which holds what all
// endpoints share.
//
// The logic is in the packages webhook, dedup, catalog and delivery; this one
// joins them to HTTP. Reading starts at handler.go.
package caddymodule

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/hookpass/hookpass/delivery"
	"github.com/hookpass/hookpass/diagnosis"
	"github.com/hookpass/hookpass/webhook"
)

func init() {
	caddy.RegisterModule(&VerifyWebhook{})
	caddy.RegisterModule(&App{})
	caddy.RegisterModule(AdminAPI{})
	caddy.RegisterModule(&Transport{})
}

// VerifyWebhook lets only genuine webhook deliveries pass to the handlers
// behind it, each of them once. Whatever else arrives is refused, acknowledged
// or answered here.
//
// It sets the placeholders {http.webhook.provider}, .endpoint, .event,
// .delivery_id, .timestamp, .verdict, .reason, .replayed and .secret (the label
// of the secret that matched), and sends the application the header fields
// Hookpass-Provider, -Endpoint, -Event, -Delivery, -Timestamp (Unix seconds) and
// -Verified, and for what somebody had sent again -Replay, from which whatever the
// sender wrote there has been removed. With
// sign it also sends Webhook-Id, -Timestamp and -Signature, as Standard Webhooks
// has them.
type VerifyWebhook struct {
	// The provider's id or alias in the catalogue, such as stripe. Leave it out and
	// describe a scheme instead for a sender that the catalogue does not have.
	// Required without one.
	Provider string `json:"provider,omitempty"`

	// The endpoint's name in the log, in metrics and as the scope of
	// deduplication. Default: the provider's id, or custom. Two endpoints may
	// share a name only if their settings are the same.
	Name string `json:"name,omitempty"`

	// The secrets, any of which may match. Required, at least one, unless the
	// provider publishes its keys, which are then fetched.
	Secrets []Secret `json:"secret,omitempty"`

	// How deliveries are signed. Required where no provider is named; a provider
	// has its own.
	Scheme *webhook.Scheme `json:"scheme,omitempty"`

	// How old a signed timestamp may be; it may be as far in the future, up to 5
	// minutes. Default: the provider's, else 5 minutes. 0 accepts every age, so
	// that only deduplication stops a replay.
	Tolerance *caddy.Duration `json:"tolerance,omitempty"`

	// The event types to forward; "*" stands for any run of characters. Others
	// are acknowledged and not forwarded. Default: all. A delivery without an
	// event type matches only "*".
	Events []string `json:"events,omitempty"`

	// The largest body accepted, in bytes. Default: the provider's, else 1 MiB.
	MaxBody int64 `json:"max_body,omitempty"`

	// How long the body may take to arrive. Default: 10 seconds.
	ReadTimeout caddy.Duration `json:"read_timeout,omitempty"`

	// enforce (the default), or monitor: nothing is withheld, and the log tells
	// the verdict that each delivery would have had.
	Mode string `json:"mode,omitempty"`

	// The scheme and host, and path prefix if any, under which the sender knows
	// this endpoint, for schemes that sign the URL. Default: the URL as Caddy's
	// trusted proxies give it.
	PublicURL string `json:"public_url,omitempty"`

	// The parameters that the provider's scheme needs, by name. Those that are
	// secret are written as a secret's value is: {env.NAME} or {file./absolute/path}.
	// Required where the scheme has any. Default: none.
	With map[string]string `json:"with,omitempty"`

	// How long the application may take to answer, however long the sender
	// waits. Default: 30 seconds.
	ForwardTimeout caddy.Duration `json:"forward_timeout,omitempty"`

	// Signs what is forwarded anew, so that the application can verify one scheme
	// whoever the provider is. Default: nothing is signed.
	Sign *Sign `json:"sign,omitempty"`

	// How copies of a delivery are recognised. Default: by the id that the provider
	// documents, for as long as it retries.
	Dedup *Dedup `json:"dedup,omitempty"`

	settings   settings
	app        *App
	verifier   *webhook.Verifier
	handshakes []*webhook.Responder
	signer     *webhook.Signer // nil: what is forwarded is not signed
	lease      time.Duration   // of a claim; zero: the store knows none
	visit      func(url string) error
	masked     map[string]bool // header fields that are not kept
	hidden     delivery.Hidden // what is not shown of bodies
	meters     *meters
	uses       map[string]prometheus.Gauge // of the secrets, by label
	logger     *zap.Logger
}

// Dedup is how an endpoint recognises copies of a delivery.
type Dedup struct {
	// Forward every verified delivery, copies too. Default: copies are not forwarded,
	// except where the provider's deliveries have no id and may look alike.
	Off bool `json:"off,omitempty"`

	// How long a delivery is remembered after the application has answered it
	// with 2xx. Default: as long as the provider retries, at least 24 hours.
	Window caddy.Duration `json:"window,omitempty"`

	// How long a copy waits for the outcome of the one at the application.
	// Default: 2 seconds. 0: it is told to come again at once.
	Wait *caddy.Duration `json:"wait,omitempty"`

	// What makes two deliveries the same: "provider", the id that the provider
	// documents; "content", the body; "header NAME"; "body JSON.PATH". Default:
	// provider, or content where the provider documents no id.
	Key string `json:"key,omitempty"`
}

// Secret is a shared secret.
type Secret struct {
	// The secret as the provider's dashboard shows it. Write {env.NAME} or
	// {file./absolute/path}: both are read when the configuration is loaded, and
	// show in no dump of it. Required.
	Value string `json:"value"`

	// The name under which log and placeholders speak of it. Default: its
	// position, from 1.
	Label string `json:"label,omitempty"`

	// Where it stands in the Caddyfile, for error messages. The adapter sets it.
	Source string `json:"source,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*VerifyWebhook) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.verify_webhook",
		New: func() caddy.Module { return new(VerifyWebhook) },
	}
}

// Provision resolves everything that a request will need: nothing is parsed,
// looked up or expanded later.
func (h *VerifyWebhook) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	app, err := ctx.App(appName)
	if err != nil {
		return err
	}
	h.app = app.(*App)

	if h.settings, err = h.resolve(h.app.catalogue); err != nil {
		return fmt.Errorf("endpoint %s: %w", cmp.Or(h.Name, h.Provider, customName), err)
	}
	if most := h.app.maxBuffered() / 2; h.settings.maxBody > most { // a buffer that grows is there twice
		return fmt.Errorf("endpoint %s: a body of max_body (%d bytes) could never be read: raise max_buffered to twice that%s",
			h.settings.name, h.settings.maxBody, h.source())
	}
	if h.lease, err = h.app.Dedup.lease(h.settings.forward); err != nil {
		return fmt.Errorf("endpoint %s: %w%s", h.settings.name, err, h.source())
	}
	secrets, texts, err := h.resolveSecrets(caddy.NewReplacer())
	if err != nil {
		return fmt.Errorf("endpoint %s: %w", h.settings.name, err)
	}
	with, err := h.resolveWith(caddy.NewReplacer())
	if err != nil {
		return fmt.Errorf("endpoint %s: %w", h.settings.name, err)
	}
	h.verifier, err = webhook.NewVerifier(h.settings.scheme, secrets, h.settings.tolerance, with)
	if err != nil {
		return fmt.Errorf("endpoint %s: %w", h.settings.name, err)
	}
	h.verifier.FetchFrom(publishedKeys)
	h.visit = publishedKeys.Visit
	for _, described := range h.settings.handshakes {
		handshake, err := webhook.NewResponder(described, secrets, with)
		if err != nil {
			return fmt.Errorf("endpoint %s: %w", h.settings.name, err)
		}
		h.handshakes = append(h.handshakes, handshake)
	}
	if h.signer, err = h.Sign.signer(caddy.NewReplacer()); err != nil {
		return fmt.Errorf("endpoint %s: sign: %w", h.settings.name, err)
	}
	config, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if h.meters, err = h.app.register(&h.settings, string(config), func() diagnosis.Endpoint { return h.describe(texts, with) }); err != nil {
		return fmt.Errorf("%w%s", err, h.source())
	}
	h.uses = h.meters.secretMeters(h.settings.name, secrets)
	h.masked, h.hidden = h.settings.masked(), h.settings.hidden()
	h.warnOfDroppedHeaders()
	h.warnOfReadableSecrets()
	return nil
}

// source is where the endpoint stands in the Caddyfile: where its first secret
// does, in the form in which it ends an error.
func (h *VerifyWebhook) source() string {
	if len(h.Secrets) == 0 {
		return ""
	}
	return h.Secrets[0].at()
}

// warnOfDroppedHeaders tells of header fields that Caddy removes before any
// handler sees them.
func (h *VerifyWebhook) warnOfDroppedHeaders() {
	facts, err := h.settings.scheme.Facts()
	if err != nil {
		return // resolve has compiled the same scheme
	}
	for _, name := range facts.Header {
		if strings.ContainsAny(name, "_.") {
			h.logger.Warn("Caddy removes header fields with _ or . in their name: "+
				"allow this one by expected_underscore_headers or expected_dot_headers in the servers option",
				zap.String("endpoint", h.settings.name), zap.String("header", name))
		}
	}
}

// resolveSecrets reads the secrets' placeholders, and returns the secrets also as
// they are written, for diagnoses. No error quotes a secret.
func (h *VerifyWebhook) resolveSecrets(repl *caddy.Replacer) (secrets []webhook.Secret, texts []diagnosis.Secret, err error) {
	labels := map[string]bool{}
	for i, s := range h.Secrets {
		label := cmp.Or(s.Label, fmt.Sprint(i+1))
		secret, text, err := s.resolve(repl, label, h.settings.scheme.Key)
		if err == nil && labels[label] {
			err = fmt.Errorf("label %q is used twice: give each secret its own", label)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("secret %d: %w%s", i+1, err, s.at())
		}
		labels[label] = true
		secrets = append(secrets, secret)
		texts = append(texts, diagnosis.Secret{Label: label, Text: func() string { return text }})
	}
	return secrets, texts, nil
}

// resolveWith reads the parameters' placeholders, as some are secrets, too.
func (h *VerifyWebhook) resolveWith(repl *caddy.Replacer) (map[string]string, error) {
	with := make(map[string]string, len(h.With))
	for name, value := range h.With {
		var err error
		if with[name], err = resolveText(repl, value); err != nil {
			return nil, fmt.Errorf("with %s: %w", name, err)
		}
	}
	return with, nil
}

func (s Secret) resolve(repl *caddy.Replacer, label string, form webhook.KeyForm) (secret webhook.Secret, text string, err error) {
	if text, err = resolveText(repl, s.Value); err != nil {
		return secret, "", err
	}
	secret, err = webhook.ParseSecret(label, text, form)
	if errors.Is(err, webhook.ErrSecretEmpty) {
		err = fmt.Errorf("%w: write one, such as {env.NAME}", err)
	}
	return secret, text, err
}

// resolveText replaces placeholders. The error quotes nothing that may be secret.
func resolveText(repl *caddy.Replacer, text string) (string, error) {
	return repl.ReplaceFunc(text, func(name string, value any) (any, error) {
		switch {
		case strings.HasPrefix(name, "http."):
			// The Caddyfile adapter makes {file.name} a placeholder of the request's
			// path, which would make the secret whatever the sender chooses.
			return nil, errors.New("it holds a placeholder of the request: for a file write {file./absolute/path}")
		case !strings.HasPrefix(name, "env.") && !strings.HasPrefix(name, "file."):
			// The name is not quoted, as it may be a part of the secret.
			return nil, errors.New("it holds braces that are neither {env.NAME} nor {file./absolute/path}: write a literal { as \\{")
		case caddy.ToString(value) == "":
			return nil, fmt.Errorf("%w: {%s} resolves to nothing: set it before the configuration is loaded", webhook.ErrSecretEmpty, name)
		}
		return value, nil
	})
}

// at ends an error message with the place in the Caddyfile, if that is known.
func (s Secret) at() string {
	if s.Source == "" {
		return ""
	}
	return ", at " + s.Source
}

const (
	defaultMaxBody        = 1 << 20
	defaultReadTimeout    = 10 * time.Second
	defaultForwardTimeout = 30 * time.Second
	defaultWait           = 2 * time.Second
)

// Interface guards
var (
	_ caddy.Provisioner           = (*VerifyWebhook)(nil)
	_ caddyhttp.MiddlewareHandler = (*VerifyWebhook)(nil)
)
