package caddymodule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("verify_webhook", parseDirective)
	// Before everything that answers or edits header fields: what comes first
	// could let a delivery past us, or change what was signed.
	httpcaddyfile.RegisterDirectiveOrder("verify_webhook", httpcaddyfile.Before, "header")
	httpcaddyfile.RegisterGlobalOption(appName, parseGlobalOption)
}

func parseDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	catalogue, err := catalogueOf(h.Option(appName))
	if err != nil {
		return nil, err
	}
	d := endpointDirective{newDirective(h.Dispenser), new(VerifyWebhook)}
	provider, err := d.parse(catalogue)
	if err != nil {
		return nil, err
	}
	if err := d.nameEndpoint(h.State, provider); err != nil {
		return nil, err
	}
	return d.handler, nil
}

// nameEndpoint gives an endpoint without a name its provider's, then that with
// -2, -3 and so on, in the order of the file.
func (d endpointDirective) nameEndpoint(state map[string]any, provider string) error {
	const key = "verify_webhook names"
	names, _ := state[key].(map[string]bool)
	if names == nil {
		names = map[string]bool{}
		state[key] = names
	}
	handler := d.handler
	if names[handler.Name] {
		return d.errAt("name", fmt.Errorf("name: %s is taken by an endpoint above: choose another", handler.Name))
	}
	for n := 1; handler.Name == ""; n++ {
		name := provider
		if n > 1 {
			name = fmt.Sprintf("%s-%d", provider, n)
		}
		if !names[name] {
			handler.Name = name
		}
	}
	names[handler.Name] = true
	return nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens:
//
//	verify_webhook [<matcher>] [<provider> [<secret>]] {
//		name            <name>
//		secret          <secret> [<label>]      # repeatable
//		tolerance       <duration>|off
//		events          <pattern...>            # repeatable
//		max_body        <size>
//		read_timeout    <duration>
//		mode            enforce|monitor
//		public_url      <url>
//		with            <name> <value>          # repeatable
//		forward_timeout <duration>
//		sign            <secret>
//		dedup off
//		dedup {
//			window <duration>
//			wait   <duration>
//			key    provider|content|header <name>|body <json.path>
//		}
//		scheme hmac {                           # in place of a provider
//			algorithm   sha1|sha256|sha384|sha512
//			key         text|hex|base64|sha1|whsec   # "text after :" takes what follows the last colon
//			signature   <place> [<format>]
//			encoding    hex|base64|base64url|base64hex
//			signed      <template>
//			timestamp   <place> [seconds|milliseconds|unix|rfc3339|utc|http]
//			delivery_id <place>
//			event_type  <place>
//			require     <place> <template>
//			keys        <url>|<place> <url pattern...>      # in place of a secret
//			key_id      <place>
//			key_path    <json.path>
//			key_request bearer <token>|json <name>=<value>...|oauth <token url> <id> <secret> <scope>
//			claims      <name>=<template>[|<template>]...   # jwt, http-message-signature
//		}
//	}
//
// A place is header <name>, header_json <name>><json.path>, query <name>, form
// <name>, multipart <name>><json.path> or body <json.path>.
//
// Without the global option, it knows the built-in providers alone.
func (h *VerifyWebhook) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	_, err := endpointDirective{newDirective(d), h}.parse(catalog.Catalogue{})
	return err
}

// endpointDirective is the state of parsing one verify_webhook.
type endpointDirective struct {
	*directive
	handler *VerifyWebhook
}

var (
	endpointWords = []string{
		"name", "secret", "tolerance", "events", "max_body", "read_timeout", "mode",
		"public_url", "with", "forward_timeout", "sign", "dedup", "scheme",
	}
	repeatableWords = []string{"secret", "events", "with"}
)

// parse returns the id of the provider.
func (d endpointDirective) parse(catalogue catalog.Catalogue) (provider string, err error) {
	h := d.handler
	if d.NextArg() {
		h.Provider = d.Val()
	}
	if d.NextArg() {
		h.Secrets = append(h.Secrets, Secret{Value: d.Val(), Source: d.source()})
	}
	if d.NextArg() {
		return "", d.Err("verify_webhook takes a provider and a secret, but there is a third argument: further secrets go into its block, as secret <secret> <label>")
	}
	for d.NextBlock(0) {
		if err := d.word(); err != nil {
			return "", err
		}
	}
	s, err := h.resolve(catalogue)
	if err != nil {
		setting := new(settingError)
		errors.As(err, &setting)
		return "", d.errAt(setting.word, err)
	}
	return s.provider, nil
}

func (d endpointDirective) word() error {
	h := d.handler
	word, err := d.enter("", endpointWords, repeatableWords...)
	if err != nil {
		return err
	}
	switch word {
	case "name":
		h.Name, err = d.argument("name stripe-live")
	case "secret":
		err = d.secret()
	case "tolerance":
		err = d.tolerance()
	case "events":
		err = d.events()
	case "max_body":
		err = d.size(&h.MaxBody, "max_body 1MiB")
	case "read_timeout":
		err = d.duration(&h.ReadTimeout, 1, "read_timeout 10s")
	case "mode":
		h.Mode, err = d.argument("mode monitor")
	case "public_url":
		h.PublicURL, err = d.argument("public_url https://hooks.example.com")
	case "with":
		err = d.with()
	case "forward_timeout":
		err = d.duration(&h.ForwardTimeout, 1, "forward_timeout 30s")
	case "sign":
		h.Sign = &Sign{Source: d.source()}
		h.Sign.Value, err = d.argument("sign {env.NAME}")
	case "dedup":
		err = d.dedup()
	case "scheme":
		err = d.scheme()
	}
	return err
}

func (d endpointDirective) secret() error {
	args := d.RemainingArgs()
	if len(args) < 1 || len(args) > 2 {
		return d.wants("secret {env.NAME} current")
	}
	s := Secret{Value: args[0], Source: d.source()}
	if len(args) == 2 {
		s.Label = args[1]
	}
	d.handler.Secrets = append(d.handler.Secrets, s)
	return nil
}

func (d endpointDirective) tolerance() error {
	const example = "tolerance 5m, or tolerance off"
	text, err := d.argument(example)
	if err != nil {
		return err
	}
	d.handler.Tolerance = new(caddy.Duration)
	if text == "off" {
		return nil
	}
	// Zero is not taken for off: who writes it wants the strictest.
	return d.parseDuration(text, d.handler.Tolerance, 1, example)
}

func (d endpointDirective) events() error {
	events := d.RemainingArgs()
	if len(events) == 0 {
		return d.wants("events task.* message.posted")
	}
	if _, err := parsePatterns(events); err != nil {
		return d.WrapErr(err)
	}
	d.handler.Events = append(d.handler.Events, events...)
	return nil
}

func (d endpointDirective) with() error {
	var name, value string
	if !d.AllArgs(&name, &value) {
		return d.wants("with account acct_123")
	}
	if _, given := d.handler.With[name]; given {
		return d.Errf("with %s is given twice: remove one", name)
	}
	d.at["with "+name] = d.Token()
	if d.handler.With == nil {
		d.handler.With = map[string]string{}
	}
	d.handler.With[name] = value
	return nil
}

func (d endpointDirective) dedup() error {
	h := d.handler
	h.Dedup = new(Dedup)
	if d.NextArg() {
		if d.Val() != "off" || d.NextArg() {
			return d.wants("dedup off, or dedup with a block of window, wait and key")
		}
		h.Dedup.Off = true
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word, err := d.enter("dedup", []string{"window", "wait", "key"})
		if err != nil {
			return err
		}
		switch word {
		case "window":
			err = d.duration(&h.Dedup.Window, 1, "window 24h")
		case "wait":
			h.Dedup.Wait = new(caddy.Duration)
			err = d.duration(h.Dedup.Wait, 0, "wait 2s")
		case "key":
			if h.Dedup.Key = strings.Join(d.RemainingArgs(), " "); h.Dedup.Key == "" {
				err = d.wants("key content")
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// requestShorthands undoes what the adapter makes of placeholders that mean
// something else in a signed template.
var requestShorthands = strings.NewReplacer(
	"{http.request.method}", "{method}",
	"{http.request.uri.path}", "{path}",
	"{http.request.uri.query}", "{query}",
)

func (d endpointDirective) scheme() error {
	kind, err := d.argument("scheme hmac")
	if err != nil {
		return err
	}
	s := &webhook.Scheme{Type: kind}
	d.handler.Scheme = s
	fields := map[string]struct {
		to      *string
		example string
	}{
		"algorithm":   {&s.Algorithm, "algorithm sha256"},
		"key":         {(*string)(&s.Key), "key base64"},
		"signature":   {&s.Signature, `signature header X-Signature "sha256={signature}"`},
		"encoding":    {&s.Encoding, "encoding hex"},
		"signed":      {&s.Signed, `signed "{timestamp}.{body}"`},
		"timestamp":   {&s.Timestamp, "timestamp header X-Timestamp seconds"},
		"delivery_id": {&s.DeliveryID, "delivery_id body id"},
		"event_type":  {&s.EventType, "event_type body type"},
		"require":     {&s.Require, "require query digest {sha256:body}"},
		"keys":        {&s.Keys, "keys https://example.com/.well-known/jwks.json"},
		"key_id":      {&s.KeyID, "key_id header X-Key-Id"},
		"key_path":    {&s.KeyPath, "key_path data.publicKey"},
		"key_request": {&s.KeyRequest, "key_request bearer {with:api_key}"},
		"claims":      {&s.Claims, "claims iss=https://example.com payload_hash={sha256:body}"},
	}
	known := slices.Sorted(maps.Keys(fields))
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word, err := d.enter("scheme", known)
		if err != nil {
			return err
		}
		field := fields[word]
		*field.to = requestShorthands.Replace(strings.Join(d.RemainingArgs(), " "))
		if *field.to == "" {
			return d.wants(field.example)
		}
	}
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*VerifyWebhook)(nil)
