package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("verify_webhook", parseDirective)
	// Before everything that answers or edits header fields: what comes first
	// could let a delivery past us, or change what was signed.
	httpcaddyfile.RegisterDirectiveOrder("verify_webhook", httpcaddyfile.Before, "header")
	httpcaddyfile.RegisterGlobalOption("webhooks", parseGlobalOption)
}

func parseDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(VerifyWebhook)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	if err := nameEndpoint(h, handler); err != nil {
		return nil, err
	}
	return handler, nil
}

// nameEndpoint gives an endpoint without a name its provider's, then that with
// -2, -3 and so on, in the order of the file.
func nameEndpoint(h httpcaddyfile.Helper, handler *VerifyWebhook) error {
	const key = "verify_webhook names"
	names, _ := h.State[key].(map[string]bool)
	if names == nil {
		names = map[string]bool{}
		h.State[key] = names
	}
	if names[handler.Name] {
		return h.Errf("verify_webhook: name %s is taken by an endpoint above: choose another", handler.Name)
	}
	base := cmp.Or(handler.Provider, customName)
	for n := 1; handler.Name == ""; n++ {
		name := base
		if n > 1 {
			name = fmt.Sprintf("%s-%d", base, n)
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
//		dedup off
//		dedup {
//			window <duration>
//			wait   <duration>
//			key    provider|content|header <name>|body <json.path>
//		}
//		scheme hmac {                           # in place of a provider
//			algorithm   sha1|sha256|sha384|sha512
//			key         text|hex|base64|whsec
//			signature   <place> [<format>]
//			encoding    hex|base64|base64url
//			signed      <template>
//			timestamp   <place> [seconds|milliseconds|rfc3339]
//			delivery_id <place>
//			event_type  <place>
//		}
//	}
//
// A place is header <name>, query <name>, form <name> or body <json.path>.
func (h *VerifyWebhook) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	p := &directive{Dispenser: d, handler: h, at: map[string]caddyfile.Token{}}
	return p.parse()
}

// directive is the state of parsing one verify_webhook.
type directive struct {
	*caddyfile.Dispenser
	handler *VerifyWebhook
	at      map[string]caddyfile.Token // where each word stands
}

var words = []string{
	"name", "secret", "tolerance", "events", "max_body", "read_timeout", "mode",
	"public_url", "with", "forward_timeout", "dedup", "scheme",
}

func (d *directive) parse() error {
	d.Next()
	h := d.handler
	d.at[d.Val()] = d.Token()
	if d.NextArg() {
		h.Provider = d.Val()
	}
	if d.NextArg() {
		h.Secrets = append(h.Secrets, Secret{Value: d.Val(), Source: d.source()})
	}
	if d.NextArg() {
		return d.Errf("verify_webhook takes a provider and a secret, but there is a third argument: further secrets go into its block, as secret <secret> <label>")
	}
	for d.NextBlock(0) {
		if err := d.word(d.Val()); err != nil {
			return err
		}
	}
	if len(h.Secrets) == 0 {
		return d.errAt("verify_webhook", errors.New("no secret: write secret {env.NAME}"))
	}
	if _, err := h.resolve(); err != nil {
		if setting := (*settingError)(nil); errors.As(err, &setting) {
			return d.errAt(setting.word, setting.err)
		}
		return d.errAt("verify_webhook", err)
	}
	return nil
}

func (d *directive) word(word string) (err error) {
	h := d.handler
	if err := d.once(word, "secret", "events", "with"); err != nil {
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
		events := d.RemainingArgs()
		if len(events) == 0 {
			return d.wants("events task.* message.posted")
		}
		h.Events = append(h.Events, events...)
	case "max_body":
		err = d.size(&h.MaxBody, "max_body 1MiB")
	case "read_timeout":
		err = d.duration(&h.ReadTimeout, "read_timeout 10s")
	case "mode":
		h.Mode, err = d.argument("mode monitor")
	case "public_url":
		h.PublicURL, err = d.argument("public_url https://hooks.example.com")
	case "with":
		err = d.with()
	case "forward_timeout":
		err = d.duration(&h.ForwardTimeout, "forward_timeout 30s")
	case "dedup":
		err = d.dedup()
	case "scheme":
		err = d.scheme()
	default:
		return d.unknown(word, words)
	}
	return err
}

func (d *directive) secret() error {
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

func (d *directive) tolerance() error {
	text, err := d.argument("tolerance 5m")
	if err != nil {
		return err
	}
	d.handler.Tolerance = new(caddy.Duration)
	if text == "off" {
		return nil
	}
	return d.parseDuration(text, d.handler.Tolerance, "tolerance 5m, or tolerance off")
}

func (d *directive) with() error {
	var name, value string
	if !d.AllArgs(&name, &value) {
		return d.wants("with account acct_123")
	}
	if _, given := d.handler.With[name]; given {
		return d.Errf("with %s is given twice: remove one", name)
	}
	if d.handler.With == nil {
		d.handler.With = map[string]string{}
	}
	d.handler.With[name] = value
	return nil
}

func (d *directive) dedup() error {
	h := d.handler
	h.Dedup = new(Dedup)
	if d.NextArg() {
		if d.Val() != "off" || d.NextArg() {
			return d.wants("dedup off, or dedup { window 24h }")
		}
		h.Dedup.Off = true
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		if err := d.once(word); err != nil {
			return err
		}
		var err error
		switch word {
		case "window":
			err = d.duration(&h.Dedup.Window, "window 24h")
		case "wait":
			h.Dedup.Wait = new(caddy.Duration)
			var text string
			if text, err = d.argument("wait 2s"); err == nil {
				err = d.parseDuration(text, h.Dedup.Wait, "wait 2s")
			}
		case "key":
			if h.Dedup.Key = strings.Join(d.RemainingArgs(), " "); h.Dedup.Key == "" {
				err = d.wants("key content")
			}
		default:
			err = d.unknown(word, []string{"window", "wait", "key"})
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

func (d *directive) scheme() error {
	kind, err := d.argument("scheme hmac { … }")
	if err != nil {
		return err
	}
	s := &webhook.Scheme{Type: kind}
	d.handler.Scheme = s
	key := ""
	fields := map[string]*string{
		"algorithm": &s.Algorithm, "key": &key, "signature": &s.Signature, "encoding": &s.Encoding,
		"signed": &s.Signed, "timestamp": &s.Timestamp, "delivery_id": &s.DeliveryID, "event_type": &s.EventType,
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		field, known := fields[word]
		if !known {
			return d.unknown(word, []string{"algorithm", "key", "signature", "encoding", "signed", "timestamp", "delivery_id", "event_type"})
		}
		if *field != "" {
			return d.Errf("%s is given twice: remove one", word)
		}
		if *field = requestShorthands.Replace(strings.Join(d.RemainingArgs(), " ")); *field == "" {
			return d.Errf("%s needs a value", word)
		}
	}
	s.Key = webhook.KeyForm(key)
	return nil
}

// once refuses a word that stands there before, unless it is repeatable.
func (d *directive) once(word string, repeatable ...string) error {
	if _, given := d.at[word]; given && !slices.Contains(repeatable, word) {
		return d.Errf("%s is given twice: remove one", word)
	}
	d.at[word] = d.Token()
	return nil
}

// argument returns the one argument of the current word.
func (d *directive) argument(example string) (string, error) {
	args := d.RemainingArgs()
	if len(args) != 1 || args[0] == "" {
		return "", d.wants(example)
	}
	return args[0], nil
}

func (d *directive) duration(to *caddy.Duration, example string) error {
	text, err := d.argument(example)
	if err != nil {
		return err
	}
	if err := d.parseDuration(text, to, example); err != nil {
		return err
	}
	if *to == 0 {
		return d.Errf("%q must be positive: write %s", text, example)
	}
	return nil
}

func (d *directive) parseDuration(text string, to *caddy.Duration, example string) error {
	parsed, err := caddy.ParseDuration(text)
	if err != nil || parsed < 0 {
		return d.Errf("%q is no duration: write %s", text, example)
	}
	*to = caddy.Duration(parsed.Round(time.Nanosecond))
	return nil
}

func (d *directive) size(to *int64, example string) error {
	text, err := d.argument(example)
	if err != nil {
		return err
	}
	parsed, err := humanize.ParseBytes(text)
	if err != nil || parsed == 0 || parsed > math.MaxInt64 {
		return d.Errf("%q is no size: write %s", text, example)
	}
	*to = int64(parsed)
	return nil
}

func (d *directive) wants(example string) error {
	return d.Errf("wrong number of arguments: write it like %s", example)
}

func (d *directive) unknown(word string, known []string) error {
	return d.Errf("unknown word %s: did you mean %s?", word, catalog.Nearest(word, known))
}

// source is the file and line of the current token.
func (d *directive) source() string { return fmt.Sprintf("%s:%d", d.File(), d.Line()) }

// errAt is an error about a word further up.
func (d *directive) errAt(word string, err error) error {
	token, ok := d.at[word]
	if !ok {
		token = d.at["verify_webhook"]
	}
	if word != "verify_webhook" {
		err = fmt.Errorf("%s: %w", word, err)
	}
	return fmt.Errorf("verify_webhook: %w, at %s:%d", err, token.File, token.Line)
}

// Interface guard
var _ caddyfile.Unmarshaler = (*VerifyWebhook)(nil)
