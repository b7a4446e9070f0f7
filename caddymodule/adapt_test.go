package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
	_ "github.com/caddyserver/caddy/v2/modules/logging"

	_ "github.com/hookpass/hookpass/caddymodule"
)

var update = flag.Bool("update", false, "write what the adapter makes of testdata/adapt")

// adapt turns a Caddyfile into JSON as "caddy adapt" does.
func adapt(caddyfile string) ([]byte, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	return config, err
}

// validate loads a configuration as "caddy validate" does: everything is
// provisioned and cleaned up, and nothing listens.
func validate(config []byte) error {
	var c caddy.Config
	if err := caddy.StrictUnmarshalJSON(config, &c); err != nil {
		return err
	}
	if c.Logging == nil {
		c.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{
			caddy.DefaultLoggerName: {BaseLog: caddy.BaseLog{WriterRaw: json.RawMessage(`{"output":"discard"}`)}},
		}}
	}
	return caddy.Validate(&c)
}

// cases returns the files of a folder, by name.
func cases(t *testing.T, pattern string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
	}
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(text)
	}
	return texts
}

var envLine = regexp.MustCompile(`(?m)^# env (\w+)=(".*")$`)

// setenv sets the variables that a case names in lines like # env SECRET="text".
func setenv(t *testing.T, text string) {
	t.Helper()
	for _, match := range envLine.FindAllStringSubmatch(text, -1) {
		value, err := strconv.Unquote(match[2])
		if err != nil {
			t.Fatalf("%s: %v", match[0], err)
		}
		t.Setenv(match[1], value)
	}
}

// normalised is JSON with sorted keys, one value a line.
func normalised(t *testing.T, config []byte) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(config, &value); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "\t")
	if err := enc.Encode(value); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const dashes = "----------\n"

// Each file is a Caddyfile, a line of dashes and the JSON that it stands for.
func TestCaddyfileAdaptsTo(t *testing.T) {
	for path, text := range cases(t, "testdata/adapt/*.caddytest") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			caddyfile, want, _ := strings.Cut(text, dashes)
			// The environment is not there yet: adapting must do without.
			config, err := adapt(caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			got := normalised(t, config)
			if *update {
				if err := os.WriteFile(path, []byte(caddyfile+dashes+got), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if got != normalised(t, []byte(want)) {
				t.Errorf("it adapts to\n%s\n(go test -run %s -update writes the file)", got, t.Name())
			}

			setenv(t, caddyfile)
			if err := validate(config); err != nil {
				t.Errorf("it does not load: %v", err)
			}
		})
	}
}

// Whatever comes before could answer in its place, or change what was signed.
func TestDirectiveComesFirst(t *testing.T) {
	config, err := adapt(`:8080 {
		reverse_proxy localhost:3000
		respond /respond OK
		error /error 410
		route /route {
			rewrite /in-route
		}
		handle /handle {
			rewrite /in-handle
		}
		request_header Request-Header yes
		basic_auth {
			operator $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG
		}
		rewrite /rewrite /rewritten
		redir /redir https://example.com
		header Header yes
		verify_webhook stripe {env.SECRET}
	}`)
	if err != nil {
		t.Fatal(err)
	}
	inOrder := []string{
		"verify_webhook", "Header", "/redir", "/rewrite", "basic", "Request-Header",
		"in-handle", "in-route", `"error"`, "/respond", "reverse_proxy",
	}
	at := -1
	for _, word := range inOrder {
		next := strings.Index(string(config), word)
		if next <= at {
			t.Errorf("%s is missing or comes before its turn in %s", word, config)
		}
		at = next
	}
}
