package main

import (
	"cmp"
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

const secret = "hostile-test-secret"

// endpoint is one of the provider's, and how to send to it as the provider does.
type endpoint struct {
	name     string // also its path
	provider string // default: the name
	secret   string // default: secret
	with     string // name and value
	settings string // of verify_webhook
	caddys   bool   // Caddy's own transport carries to the application
	verified string // default: signature
	body     string // with {id}; default: usual
	forged   bool   // nobody here can sign for it
	event    string // "": none

	signer *webhook.Signer
}

// usual is what most deliveries hold.
const usual = `{"event":"task.created","type":"task.created","delivery_id":"{id}","id":"{id}"}`

const (
	task  = "task.created"
	topic = "arn:aws:sns:eu-west-1:123456789012:orders"
)

// crowd is all endpoints.
type crowd []*endpoint

// newCrowd makes keys for those whose provider has a private one.
func newCrowd(dir string) (crowd, error) {
	c := crowd{
		{name: "saltare", event: task},
		{name: "caddys", provider: "saltare", event: task, caddys: true},
		{name: "monitor", provider: "saltare", event: task, settings: "mode monitor"},
		{name: "small", provider: "saltare", event: task, settings: "max_body 4KiB"},
		{name: "some", provider: "saltare", event: task, settings: "events task.*"},
		{name: "resigned", provider: "saltare", event: task, settings: "sign hostile-application-secret"},
		{name: "stripe", event: task},
		{name: "github", event: task},
		{name: "sally", event: task},
		{name: "slack", event: task, body: `{"type":"event_callback","event_id":"{id}","event":{"type":"task.created"}}`},
		{name: "shopify", event: task},
		{name: "standard-webhooks", secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", event: task}, //nolint:gosec // G101: the secret of nobody
		{name: "twilio", body: "MessageSid={id}&Body=Gr%C3%BC%C3%9Fe"},
		{name: "livekit", event: task},
		{name: "discord", body: `{"id":"{id}","type":2}`, event: "2"},
		{name: "gitlab", event: task, verified: "token"},
		{name: "keyed", forged: true, settings: `scheme jwt {
				algorithm RS256
				key public
				signature header Authorization "Bearer {signature}"
				claims sha256={sha256:body}
				timestamp claim iat
				delivery_id claim jti
				keys https://localhost:1/{key_id}
			}`},
		// Its certificates are fetched from Amazon, so that here all are forged.
		{name: "aws-sns", with: "topic_arn " + topic, forged: true},
	}
	for _, e := range c {
		e.provider, e.secret = cmp.Or(e.provider, e.name), cmp.Or(e.secret, secret)
		e.verified, e.body = cmp.Or(e.verified, "signature"), cmp.Or(e.body, usual)
		if err := e.prepare(dir); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return c, nil
}

// at is those that are at a site: all are at the open one.
func (c crowd) at(s *site) crowd {
	if s.name == "open" {
		return c
	}
	return c[:2]
}

func (c crowd) named(name string) *endpoint {
	return c[slices.IndexFunc(c, func(e *endpoint) bool { return e.name == name })]
}

func (e *endpoint) parameters() map[string]string {
	name, value, given := strings.Cut(e.with, " ")
	if !given {
		return nil
	}
	return map[string]string{name: value}
}

func (e *endpoint) prepare(dir string) error {
	if e.forged {
		if strings.HasPrefix(e.settings, "scheme") {
			e.provider = "" // the settings describe it
		}
		return nil
	}
	provider, err := catalog.Lookup(e.provider)
	if err != nil {
		return err
	}
	if provider.Scheme.Key != webhook.KeyPublic {
		parsed, err := webhook.ParseSecret("", e.secret, provider.Scheme.Key)
		if err != nil {
			return err
		}
		e.signer, err = webhook.NewSigner(provider.Scheme, parsed, e.parameters())
		return err
	}
	var private crypto.Signer
	if private, err = provider.Scheme.NewTestKey(); err != nil {
		return err
	}
	if e.signer, err = webhook.NewKeySigner(provider.Scheme, private, e.parameters()); err != nil {
		return err
	}
	public, err := webhook.PublicPEM(private)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, e.name+".pub")
	e.secret = "{file." + path + "}"
	return os.WriteFile(path, []byte(strings.TrimSpace(public)), 0o600)
}

// config is the endpoint in the Caddyfile of a site.
func (e *endpoint) config(s *site, application string) string {
	settings := e.settings
	if e.with != "" {
		settings += "\n\t\t\twith " + e.with
	}
	if !e.forged {
		settings += "\n\t\t\tsecret " + e.secret
	}
	if s.name == "brief" {
		settings += "\n\t\t\tread_timeout 300ms"
	}
	carrier := " {\n\t\t\ttransport webhook {\n\t\t\t\tidle_timeout 10m\n\t\t\t}\n\t\t}"
	if e.caddys {
		carrier = " {\n\t\t\ttransport http {\n\t\t\t\tkeepalive 10m\n\t\t\t}\n\t\t}"
	}
	return fmt.Sprintf(`	@%[1]s path /%[1]s /%[1]s/*
	handle @%[1]s {
		verify_webhook %[2]s {
			name %[1]s-%[3]s
			%[4]s
		}
		reverse_proxy %[5]s%[6]s
	}
`, e.name, e.provider, s.name, settings, application, carrier)
}

// letter is a delivery as its provider would send it.
type letter struct {
	endpoint  *endpoint
	site      *site
	header    http.Header
	body, id  string
	timestamp string // in seconds
	event     string
}

var letters atomic.Uint64

// letter signs a body, or the endpoint's usual one. A stamp that is not empty is
// what stands in place of the time, for Saltare alone.
func (e *endpoint) letter(s *site, body, stamp string) (letter, error) {
	now := time.Now()
	l := letter{
		endpoint: e, site: s, header: http.Header{}, event: e.event,
		id: fmt.Sprintf("hostile-%d", letters.Add(1)),
	}
	l.body = strings.ReplaceAll(cmp.Or(body, e.body), "{id}", l.id)
	if stamp != "" {
		err := l.stamp(stamp, now)
		return l, err
	}
	r := &webhook.Request{
		Method: http.MethodPost, URL: s.scheme() + "://" + s.address + "/" + e.name, Path: "/" + e.name,
		Header: l.header, Body: []byte(l.body),
	}
	if e.forged {
		return l, nil
	}
	if e.provider == "twilio" {
		l.header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if err := e.signer.Sign(r, l.id, e.event, now); err != nil {
		return l, fmt.Errorf("%s: %w", e.name, err)
	}
	l.body = string(r.Body)
	l.timestamp = strconv.FormatInt(now.Unix(), 10)
	if undated := []string{"github", "shopify", "twilio", "gitlab"}; slices.Contains(undated, e.provider) {
		l.timestamp = ""
	}
	return l, nil
}

// stamp signs with a text in place of the time, in which {now} and {hex} are the
// time.
func (l *letter) stamp(text string, now time.Time) error {
	if l.endpoint.provider != "saltare" {
		return errors.New("only Saltare's time may be another")
	}
	l.timestamp = strconv.FormatInt(now.Unix(), 10)
	text = strings.NewReplacer("{now}", l.timestamp, "{hex}", strconv.FormatInt(now.Unix(), 16)).Replace(text)
	mac := hmac.New(sha256.New, []byte(l.endpoint.secret))
	mac.Write([]byte(text + "." + l.body))
	l.header["X-Saltare-Timestamp"] = []string{text}
	l.header["X-Saltare-Signature"] = []string{"sha256=" + hex.EncodeToString(mac.Sum(nil))}
	return nil
}

// own is what the application is to find in the fields that are ours.
func (l *letter) own() map[string][]string {
	own := map[string][]string{
		"hookpass-provider": {l.endpoint.provider},
		"hookpass-endpoint": {l.endpoint.name + "-" + l.site.name},
		"hookpass-verified": {l.endpoint.verified},
	}
	for name, value := range map[string]string{"hookpass-delivery": l.id, "hookpass-event": l.event, "hookpass-timestamp": l.timestamp} {
		if value != "" {
			own[name] = []string{value}
		}
	}
	return own
}

// fill puts the delivery into a text: {host}, {path}, {signed} for the lines of all
// signed fields, {NAME} for the value of one, {body}, {length}, {size} in
// hexadecimal, {id} and {now}.
func (l *letter) fill(text string) string {
	var signed, lower strings.Builder
	values := []string{
		"{host}", l.site.address, "{path}", "/" + l.endpoint.name, "{body}", l.body, "{id}", l.id, "{now}", l.timestamp,
		"{length}", strconv.Itoa(len(l.body)), "{size}", strconv.FormatInt(int64(len(l.body)), 16),
	}
	for _, name := range slices.Sorted(maps.Keys(l.header)) {
		for _, value := range l.header[name] {
			fmt.Fprintf(&signed, "%s: %s\r\n", name, value)
			fmt.Fprintf(&lower, "%s: %s\n", strings.ToLower(name), value)
			values = append(values, "{"+name+"}", value)
		}
	}
	return strings.NewReplacer(append(values, "{signed}", signed.String(), "{lower}", lower.String(), "{scheme}", l.site.scheme())...).Replace(text)
}

func (s *site) scheme() string {
	if s.tls {
		return "https"
	}
	return "http"
}

// strangeToken names a key that nobody has.
func strangeToken(key string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"RS256","kid":"`+key+`"}`)) + "." + part([]byte(`{"iat":1}`)) + "." + part(make([]byte, 256))
}
