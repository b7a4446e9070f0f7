package caddymodule_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/hookpass/hookpass/caddymodule"
)

// mark stands in every secret of these tests.
const mark = "hunter2"

var errorMark = regexp.MustCompile(`# error on (adapt|load): (.+)$`)

// Each file is a wrong Caddyfile. The line at fault ends in a comment with the
// message that must name this line, and with when it must come: as soon as the
// file is adapted, or when the configuration is loaded, as the environment and
// the files with the secrets are looked at no earlier.
func TestBadCaddyfileIsRefused(t *testing.T) {
	for path, text := range cases(t, "testdata/bad/*.caddyfile") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".caddyfile"), func(t *testing.T) {
			setenv(t, text)
			phase, message := expectedError(t, text)
			config, err := adapt(text)
			if phase == "load" {
				if err != nil {
					t.Fatalf("it does not even adapt: %v", err)
				}
				err = validate(config)
			}
			wantError(t, err, message)
		})
	}
}

func expectedError(t *testing.T, text string) (phase, message string) {
	t.Helper()
	for i, line := range strings.Split(text, "\n") {
		if match := errorMark.FindStringSubmatch(line); match != nil {
			if message != "" {
				t.Fatalf("line %d expects a second error", i+1)
			}
			phase, message = match[1], fmt.Sprintf("%s, at Caddyfile:%d", match[2], i+1)
		}
	}
	if message == "" {
		t.Fatal("no line expects an error")
	}
	return phase, message
}

func wantError(t *testing.T, err error, message string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", message)
	}
	// A list that grows with the catalogue is cut short by "…".
	start, end, _ := strings.Cut(message, "…")
	_, rest, found := strings.Cut(err.Error(), start)
	if end != "" {
		found = found && strings.Contains(rest, end)
		_, rest, _ = strings.Cut(rest, end)
	}
	// What comes next in the text may only be Caddy's: more positions, further out.
	if !found || rest != "" && !strings.HasPrefix(rest, " import chain") && !strings.HasPrefix(rest, ", at ") {
		t.Errorf("the error is\n\t%v\nwant\n\t%s", err, message)
	}
	if strings.Contains(err.Error(), mark) {
		t.Errorf("the error tells the secret: %v", err)
	}
}

func TestWordMeantOnceIsRefusedTwice(t *testing.T) {
	const (
		endpoint = ":8080 {\n\tverify_webhook stripe {\n\t\tHERE\n\t}\n}\n"
		dedup    = ":8080 {\n\tverify_webhook stripe {\n\t\tdedup {\n\t\t\tHERE\n\t\t}\n\t}\n}\n"
		scheme   = ":8080 {\n\tverify_webhook {\n\t\tscheme hmac {\n\t\t\tHERE\n\t\t}\n\t}\n}\n"
		webhooks = "{\n\twebhooks {\n\t\tHERE\n\t}\n}\n"
		store    = "{\n\twebhooks {\n\t\tdedup memory {\n\t\t\tHERE\n\t\t}\n\t}\n}\n"
		log      = "{\n\twebhooks {\n\t\tdelivery_log {\n\t\t\tHERE\n\t\t}\n\t}\n}\n"
	)
	for _, c := range []struct{ block, line string }{
		{endpoint, "name stripe-live"},
		{endpoint, "tolerance 5m"},
		{endpoint, "max_body 1MiB"},
		{endpoint, "read_timeout 10s"},
		{endpoint, "mode enforce"},
		{endpoint, "public_url https://hooks.example.com"},
		{endpoint, "forward_timeout 30s"},
		{endpoint, "sign {env.APP_SECRET}"},
		{endpoint, "dedup off"},
		{endpoint, "scheme hmac"},
		{dedup, "window 24h"},
		{dedup, "wait 2s"},
		{dedup, "key content"},
		{scheme, "algorithm sha256"},
		{scheme, "key hex"},
		{scheme, "signature header X-Signature"},
		{scheme, "encoding hex"},
		{scheme, "signed {body}"},
		{scheme, "timestamp header X-Timestamp"},
		{scheme, "delivery_id body id"},
		{scheme, "event_type body type"},
		{webhooks, "dedup memory"},
		{webhooks, "delivery_log {\n\toutput stdout\n}"},
		{webhooks, "providers testdata/providers/own"},
		{webhooks, "hints off"},
		{webhooks, "max_buffered 256MiB"},
		{webhooks, "recent {\n\tcapacity 500\n}"},
		{webhooks, "health :8081"},
		{store, "capacity 1000000"},
		{log, "output stdout"},
		{log, "format text"},
	} {
		word, _, _ := strings.Cut(c.line, " ")
		t.Run(word, func(t *testing.T) {
			before, after, _ := strings.Cut(c.block, "HERE")
			before += c.line + "\n"
			_, err := adapt(before + c.line + after)
			wantError(t, err, fmt.Sprintf("%s is given twice: remove one, at Caddyfile:%d", word, strings.Count(before, "\n")+1))
		})
	}
}

const endpointInJSON = `{
	"handler": "verify_webhook",
	"provider": "saltare",
	"name": "saltare-prod",
	"secret": [
		{"value": "{env.SECRET}", "label": "current"},
		{"value": "{env.OLD}", "label": "previous"}
	],
	"tolerance": "10m",
	"events": ["task.*", "message.posted", "webhook.test"],
	"max_body": 5242880,
	"read_timeout": "20s",
	"mode": "monitor",
	"public_url": "https://hooks.example.com/in",
	"forward_timeout": "1m",
	"sign": {"value": "{env.APP_SECRET}"},
	"dedup": {"window": "7d", "wait": 0, "key": "content"}
}`

const schemeInJSON = `{
	"handler": "verify_webhook",
	"secret": [{"value": "{env.SECRET}"}],
	"scheme": {
		"type": "hmac",
		"algorithm": "sha256",
		"signature": "header X-Acme-Signature t={timestamp},v1={signature}",
		"encoding": "hex",
		"signed": "{with:account}.{timestamp}.{body}",
		"delivery_id": "body id"
	},
	"with": {"account": "acct_123"}
}`

const appInJSON = `{
	"dedup": {"memory": {"capacity": 1000}},
	"delivery_log": {"output": {"output": "discard"}, "format": "text"},
	"hints": "off",
	"max_buffered": 16777216,
	"recent": {"capacity": 100, "bodies": true, "redact": ["data.object.email", "**.card"]},
	"health": {"address": ":8081", "application": ["app:3000"]}
}`

// site is a configuration in JSON with the app and these handlers on one route.
func site(app string, handlers ...string) []byte {
	return fmt.Appendf(nil, `{"apps": {"webhooks": %s, "http": {"servers": {"srv0": {
		"listen": [":8080"],
		"routes": [{"handle": [%s]}]
	}}}}}`, app, strings.Join(handlers, ","))
}

func TestJSONHasTheWordsOfTheCaddyfile(t *testing.T) {
	const path = "testdata/adapt/every-word.caddytest"
	caddyfile, _, _ := strings.Cut(cases(t, path)[path], dashes)
	setenv(t, caddyfile)
	config := site(appInJSON, endpointInJSON)
	if err := validate(config); err != nil {
		t.Fatal(err)
	}
	adapted, err := adapt(caddyfile)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := endpointIn(t, config), endpointIn(t, adapted); got != want {
		t.Errorf("the endpoint is\n\t%s\nand from the Caddyfile\n\t%s", got, want)
	}
}

// endpointIn returns the endpoint of a configuration as it is decoded, but for
// the lines of the Caddyfile.
func endpointIn(t *testing.T, config []byte) string {
	t.Helper()
	var whole any
	if err := json.Unmarshal(config, &whole); err != nil {
		t.Fatal(err)
	}
	var endpoint caddymodule.VerifyWebhook
	eachObject(whole, func(object map[string]any) {
		if object["handler"] != "verify_webhook" {
			return
		}
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &endpoint); err != nil {
			t.Fatal(err)
		}
	})
	for i := range endpoint.Secrets {
		endpoint.Secrets[i].Source = ""
	}
	if endpoint.Sign != nil {
		endpoint.Sign.Source = ""
	}
	text, err := json.Marshal(&endpoint)
	if err != nil || endpoint.Provider == "" {
		t.Fatalf("no endpoint in %s: %v", config, err)
	}
	return string(text)
}

func eachObject(value any, visit func(map[string]any)) {
	switch v := value.(type) {
	case map[string]any:
		visit(v)
		for _, inner := range v {
			eachObject(inner, visit)
		}
	case []any:
		for _, inner := range v {
			eachObject(inner, visit)
		}
	}
}

func TestOwnProvidersInJSON(t *testing.T) {
	t.Setenv("SECRET", mark)
	const endpoint = `{"handler":"verify_webhook","provider":"acme","secret":[{"value":"{env.SECRET}"}]}`
	if err := validate(site(`{"providers":"testdata/providers/own"}`, endpoint)); err != nil {
		t.Error(err)
	}
}

func TestUnknownFieldInJSONIsRefused(t *testing.T) {
	t.Setenv("SECRET", mark)
	t.Setenv("OLD", mark)
	t.Setenv("APP_SECRET", mark)
	var config struct {
		Apps struct {
			Webhooks any `json:"webhooks"`
			HTTP     any `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(site(appInJSON, endpointInJSON, schemeInJSON), &config); err != nil {
		t.Fatal(err)
	}
	load := func() error {
		text, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		return validate(text)
	}
	if err := load(); err != nil {
		t.Fatal(err)
	}
	refuse := func(object map[string]any) {
		object["unknown_word"] = "x"
		if err := load(); err == nil || !strings.Contains(err.Error(), "unknown_word") {
			t.Errorf("with an unknown field, the error is %v\n%v", err, object)
		}
		delete(object, "unknown_word")
	}
	eachObject(config.Apps.Webhooks, refuse)
	eachObject(config.Apps.HTTP, func(object map[string]any) {
		if object["handler"] == "verify_webhook" {
			eachObject(object, refuse)
		}
	})
}

func TestBadJSONIsRefused(t *testing.T) {
	t.Setenv("SECRET", mark)
	const secret = `"secret":[{"value":"{env.SECRET}"}]`
	endpoint := func(fields string) []byte {
		return site("{}", `{"handler":"verify_webhook",`+fields+`}`)
	}
	for name, c := range map[string]struct {
		config  []byte
		message string
	}{
		"no provider":               {endpoint(secret), "endpoint custom: no provider: write one"},
		"no secret":                 {endpoint(`"provider":"stripe"`), "endpoint stripe: no secret: write secret {env.NAME}"},
		"secret without value":      {endpoint(`"provider":"stripe","secret":[{"label":"current"}]`), "endpoint stripe: secret 1: secret is empty"},
		"negative tolerance":        {endpoint(`"provider":"stripe","tolerance":"-5m",` + secret), "endpoint stripe: tolerance: must not be negative"},
		"negative max_body":         {endpoint(`"provider":"stripe","max_body":-1,` + secret), "endpoint stripe: max_body: must be positive"},
		"negative read_timeout":     {endpoint(`"provider":"stripe","read_timeout":"-1s",` + secret), "endpoint stripe: read_timeout: must be positive"},
		"negative forward_timeout":  {endpoint(`"provider":"stripe","forward_timeout":"-1s",` + secret), "endpoint stripe: forward_timeout: must be positive"},
		"negative window":           {endpoint(`"provider":"stripe","dedup":{"window":"-1h"},` + secret), "endpoint stripe: dedup window: must be positive"},
		"negative wait":             {endpoint(`"provider":"stripe","dedup":{"wait":"-1s"},` + secret), "endpoint stripe: dedup wait: must not be negative"},
		"parameter without value":   {endpoint(`"provider":"paypal","with":{"webhook_id":"{env.UNSET}"}`), "endpoint paypal: with webhook_id: secret is empty: {env.UNSET} resolves to nothing"},
		"parameter of the request":  {endpoint(`"provider":"paypal","with":{"webhook_id":"{http.request.uri}"}`), "endpoint paypal: with webhook_id: it holds a placeholder of the request"},
		"sign without secret":       {endpoint(`"provider":"stripe","sign":{},` + secret), "endpoint stripe: sign: secret is empty: write one, such as {env.NAME}"},
		"negative capacity":         {site(`{"dedup":{"memory":{"capacity":-1}}}`), "dedup memory: capacity -1 must be positive"},
		"providers of no directory": {site(`{"providers":"testdata/none"}`), "providers: open testdata/none: no such file or directory"},
		"own provider not loaded":   {endpoint(`"provider":"acme",` + secret), `endpoint acme: unknown provider "acme"`},
		"delivery log of no format": {site(`{"delivery_log":{"format":"xml"}}`), `delivery_log: format "xml" is none of json, text`},
		"hints of no kind":          {site(`{"hints":"of"}`), `hints: "of" is none of on, off`},
		"negative recent capacity":  {site(`{"recent":{"capacity":-1}}`), "recent: capacity -1 must be positive"},
		"redact of no path":         {site(`{"recent":{"redact":["items[0]"]}}`), `recent: redact: "items[0]": write elements of an array like items.*.card`},
		"health without address":    {site(`{"health":{}}`), "health: no address: write one, such as health :8081"},
		"negative max_buffered":     {site(`{"max_buffered":-1}`), "max_buffered -1 must be positive"},
		"one name for two endpoints": {
			site("{}", `{"handler":"verify_webhook","provider":"stripe",`+secret+`}`, `{"handler":"verify_webhook","provider":"github","name":"stripe",`+secret+`}`),
			"two endpoints are named stripe: give one of them another name",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := validate(c.config)
			if err == nil || !strings.Contains(err.Error(), c.message) {
				t.Errorf("the error is %v, want %s", err, c.message)
			}
		})
	}
}

func TestSecretsShowNowhere(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TEXT", mark+"-text")
	t.Setenv("WHSEC", "whsec_"+strings.Repeat(mark+"0", 4))
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(mark+"-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := adapt(strings.ReplaceAll(`{
		admin unix/DIR/admin.sock
		persist_config off
		log {
			output file DIR/caddy.log
			level DEBUG
		}
		webhooks {
			delivery_log {
				output file DIR/deliveries.log {
					roll_keep 3
				}
			}
		}
	}
	http:// {
		bind unix/DIR/site.sock
		verify_webhook /stripe stripe {
			secret {env.TEXT}
			secret {file.DIR/secret}
			sign {file.DIR/secret}
		}
		verify_webhook /standard standard-webhooks {
			secret {env.WHSEC}
			sign {env.WHSEC}
		}
		verify_webhook /ebay ebay {
			with client_id {env.TEXT}
			with client_secret {file.DIR/secret}
			with endpoint https://hooks.example.com/ebay
			with host api.ebay.com
			with verification_token {env.TEXT}
		}
		error 500
	}`, "DIR", dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			if err := caddy.Stop(); err != nil {
				t.Error(err)
			}
		}
	}
	defer stop()

	shown := map[string]string{
		"the adapted JSON": string(config),
		"/config/":         overUnix(t, filepath.Join(dir, "admin.sock"), http.MethodGet, "/config/"),
		"a refusal":        overUnix(t, filepath.Join(dir, "site.sock"), http.MethodPost, "/stripe"),
		"an error":         overUnix(t, filepath.Join(dir, "site.sock"), http.MethodPost, "/"),
	}
	for _, h := range runningEndpoints(t) {
		text, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		shown["JSON of the handler "+h.Name] = string(text)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			shown[verb+" of the handler "+h.Name] = fmt.Sprintf(verb, h)
			// fmt follows pointers at the top alone, so each field is printed, too.
			for field, value := range reflect.ValueOf(h).Elem().Fields() {
				shown[verb+" of "+h.Name+"'s "+field.Name] = fmt.Sprintf(verb, value)
			}
		}
	}
	stop()
	for _, name := range []string{"caddy.log", "deliveries.log"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(text) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
		shown[name] = string(text)
	}
	for where, text := range shown {
		if strings.Contains(text, mark) {
			t.Errorf("%s shows a secret: %s", where, text)
		}
	}
	if !strings.Contains(shown["/config/"], "{env.TEXT}") {
		t.Errorf("/config/ is %s", shown["/config/"])
	}
}

// overUnix returns the body of an answer from a server behind a Unix socket.
func overUnix(t *testing.T, socket, method, path string) string {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// runningEndpoints returns the handlers at the top of the running configuration.
func runningEndpoints(t *testing.T) []*caddymodule.VerifyWebhook {
	t.Helper()
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		t.Fatal(err)
	}
	var endpoints []*caddymodule.VerifyWebhook
	for _, server := range app.(*caddyhttp.App).Servers {
		for _, route := range server.Routes {
			for _, handler := range route.Handlers {
				if h, ok := handler.(*caddymodule.VerifyWebhook); ok {
					endpoints = append(endpoints, h)
				}
			}
		}
	}
	if len(endpoints) == 0 {
		t.Fatal("no endpoint runs")
	}
	return endpoints
}
