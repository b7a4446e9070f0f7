package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"go.yaml.in/yaml/v3"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

// begin executes the command. The answers are a person's, one a line, and are
// seen as on a terminal; without any, nobody is there.
func begin(answers string, args ...string) (output string, err error) {
	var text bytes.Buffer
	typed := iotest.OneByteReader(io.TeeReader(strings.NewReader(answers), &text))
	b := &beginning{input: bufio.NewReader(typed), output: &text, asks: answers != "", now: time.Now}
	flags := b.flags()
	flags.SetOutput(io.Discard)
	names := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "-") })
	if names < 0 {
		names = len(args)
	}
	if err := flags.Parse(args[names:]); err != nil {
		return "", err
	}
	err = b.run(args[:names])
	return text.String(), err
}

// wantGolden compares with a file of testdata/init.
func wantGolden(t *testing.T, golden, name, got string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join(golden, name))
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func goldenFolder(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("testdata/init")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestInitWrites(t *testing.T) {
	golden := goldenFolder(t)
	for _, test := range []struct {
		golden, file string
		args         []string
	}{
		{"stripe.caddyfile", "Caddyfile", []string{"stripe"}},
		{"square.caddyfile", "Caddyfile", []string{"square", "--app", "4000", "--secret-file", "/run/secrets/square", "--public-url", "https://hooks.example.com/"}},
		{"twilio.caddyfile", "Caddyfile", []string{"twilio", "--domain", "hooks.example.com", "--secret-env", "TWILIO_AUTH_TOKEN"}},
		{"paypal.caddyfile", "Caddyfile", []string{"paypal"}},
		{"github.compose", "compose.yaml", []string{"github", "--format", "compose", "--app", "app:3000"}},
		{"square.compose", "compose.yaml", []string{"square", "--format", "compose", "--secret-file", "/etc/square", "--public-url", "https://hooks.example.com"}},
		{"stripe.env", "hookpass.env", []string{"stripe", "--format", "env", "--secret-file", "/run/secrets/stripe"}},
		{"paypal.env", "hookpass.env", []string{"paypal", "--format", "env"}},
	} {
		t.Run(test.golden, func(t *testing.T) {
			t.Chdir(t.TempDir())
			output, err := begin("", test.args...)
			if err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			got, err := os.ReadFile(test.file)
			if err != nil {
				t.Fatal(err)
			}
			wantGolden(t, golden, test.golden, string(got))
			switch test.file {
			case "Caddyfile":
				wantAdapts(t, string(got))
			case "compose.yaml":
				var services map[string]any
				if err := yaml.Unmarshal(got, &services); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func wantAdapts(t *testing.T, caddyfile string) {
	t.Helper()
	if _, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"}); err != nil || len(warnings) > 0 {
		t.Errorf("%v %v\n%s", err, warnings, caddyfile)
	}
}

// What is asked, and what is answered to it, from top to bottom.
func TestInitAsks(t *testing.T) {
	golden := goldenFolder(t)
	for name, answers := range map[string]string{
		"asked.txt":          "stripo\nstripe\n\n\n\n\nno\n",
		"asked-again.txt":    "square\napp\napp:3000\nwhsec_the_secret_itself\n/run/secrets/square\ncompos\ncompose\nhooks.example.com\nhttps://hooks.example.com\nperhaps\nno\n",
		"asked-for-less.txt": "paypal\n\n\nhooks.example.com\n", // has neither a secret nor a proof
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			output, err := begin(answers)
			if err != nil {
				t.Errorf("%v\n%s", err, output)
			}
			wantGolden(t, golden, name, output)
		})
	}
}

func TestInitRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		answers string
		args    []string
		cause   error
		says    string
	}{
		"no provider":          {says: "name the provider, such as hookpass init stripe"},
		"two":                  {args: []string{"stripe", "github"}, says: "name one provider"},
		"a typo":               {args: []string{"stirpe"}, cause: catalog.ErrUnknownProvider, says: `did you mean "stripe"?`},
		"no address":           {args: []string{"stripe", "--app", "localhost"}, says: `--app: "localhost" is no address`},
		"a shell's words":      {args: []string{"stripe", "--app", "$(reboot):3000"}, says: "--app: "},
		"a line of a file":     {args: []string{"stripe", "--app", "a\nimport b:3000"}, says: "--app: "},
		"a shell's path":       {args: []string{"stripe", "--secret-file", "/a;reboot"}, says: "--secret-file: "},
		"a shell's URL":        {args: []string{"square", "--public-url", "https://a.example.com/$(reboot)"}, says: "--public-url: "},
		"two places":           {args: []string{"stripe", "--secret-env", "A", "--secret-file", "/b"}, says: "exclude each other"},
		"the secret itself":    {args: []string{"stripe", "--secret-env", "whsec_abc"}, says: "--secret-env: write the name of a variable"},
		"a path to be quoted":  {args: []string{"stripe", "--secret-file", "/a b"}, says: "--secret-file: "},
		"format":               {args: []string{"stripe", "--format", "composed"}, says: "did you mean compose?"},
		"no domain":            {args: []string{"stripe", "--domain", "https://a.example.com"}, says: "--domain: "},
		"domain in a compose":  {args: []string{"stripe", "--format", "compose", "--domain", "a.example.com"}, says: "--domain is for a Caddyfile"},
		"URL that is not said": {args: []string{"square"}, says: "square signs the URL"},
		"URL that is not one":  {args: []string{"square", "--public-url", "a.example.com"}, says: "--public-url: "},
		"URL for nothing":      {args: []string{"stripe", "--public-url", "https://a.example.com"}, says: "stripe does not sign the URL"},
		"what cannot be sent":  {args: []string{"paypal", "--prove"}, cause: webhook.ErrScheme, says: "--prove: paypal: "},
		"nobody answers":       {answers: "stripe\n", cause: io.EOF, says: "no answer to"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			output, err := begin(test.answers, test.args...)
			if err == nil || !strings.Contains(err.Error(), test.says) || test.cause != nil && !errors.Is(err, test.cause) {
				t.Errorf("%v\n%s", err, output)
			}
			if err != nil && strings.Contains(err.Error()+output, "whsec_abc") {
				t.Errorf("it repeats the secret: %v\n%s", err, output)
			}
		})
	}
}

func TestInitKeepsWhatIsThere(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("Caddyfile", []byte("mine, and longer than what would take its place: "+strings.Repeat("x", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := begin("", "stripe"); !errors.Is(err, os.ErrExist) {
		t.Errorf("%v\n%s", err, output)
	}
	if kept, err := os.ReadFile("Caddyfile"); err != nil || !strings.HasPrefix(string(kept), "mine") {
		t.Errorf("the file has %q, %v", kept, err)
	}
	for _, args := range [][]string{{"stripe", "--output", "Caddyfile.stripe"}, {"stripe", "--force"}} {
		if output, err := begin("", args...); err != nil {
			t.Errorf("%v\n%s", err, output)
		}
	}
	for _, path := range []string{"Caddyfile", "Caddyfile.stripe"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		wantAdapts(t, string(text))
	}
}

// What is written loads for every provider, in each format, and a secret that is
// made up has the form that the provider's have.
func TestInitIsForEveryProvider(t *testing.T) {
	t.Setenv("SECRET", "x")
	for _, id := range catalog.IDs() {
		e, err := newEntry(id)
		if err != nil {
			t.Fatal(err)
		}
		f := first{entry: e, app: defaultApp}
		if !e.facts.FetchesKeys {
			f.secretEnv = "SECRET"
		}
		if e.facts.SignsURL {
			f.publicURL = "https://hooks.example.com"
		}
		for _, name := range e.Parameters() {
			t.Setenv(sidecarVariable(name), "x")
		}
		for format := range written {
			if _, err := f.proofConfig(format, "127.0.0.1:4000"); err != nil {
				t.Errorf("%s, %s: %v", id, format, err)
			}
		}
		wantSidecar(t, f)
		if e.Scheme.Signable() != nil {
			continue
		}
		if _, err := webhook.ParseSecret("", testSecret(e.Scheme), e.Scheme.Key); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// wantSidecar wants a compose file whose environment hookpass sidecar understands.
func wantSidecar(t *testing.T, f first) {
	t.Helper()
	var file struct {
		Services map[string]struct{ Environment map[string]string }
	}
	if err := yaml.Unmarshal([]byte(f.file(formatCompose)), &file); err != nil {
		t.Fatal(err)
	}
	var environ []string
	for name, value := range file.Services["hookpass"].Environment {
		environ = append(environ, name+"="+regexp.MustCompile(`^\$\{\w+:\?[^}]+\}$`).ReplaceAllString(value, "x"))
	}
	config, err := readSidecar(environ, nil)
	if err == nil {
		_, err = config.caddyfile(false)
	}
	if err != nil {
		t.Errorf("%s: %v", f.ID, err)
	}
}

func TestInitProves(t *testing.T) {
	for name, args := range map[string][]string{
		"text":               {"stripe"},
		"whsec":              {"standard-webhooks", "--format", "compose"},
		"URL":                {"square", "--public-url", "https://hooks.example.com"},
		"parameters":         {"facebook", "--format", "env"},
		"more parameters":    {"facebook", "--format", "compose"},
		"domain":             {"twilio", "--domain", "hooks.example.com"},
		"file to come":       {"github", "--secret-file", "/not/there", "--format", "env"},
		"user and password":  {basicProvider(t)},
		"a secret that is":   {"stripe", "--secret-env", "INIT_TEST_SECRET"},
		"a file that is":     {"stripe", "--secret-file", "secret"},
		"an address of mine": {"stripe", "--app", "mine"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			t.Setenv("INIT_TEST_SECRET", "a secret that is there")
			if err := os.WriteFile("secret", []byte("a secret in a file\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			var got []http.Header
			app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.Header) }))
			defer app.Close()
			for i, arg := range args {
				if arg == "mine" {
					args[i] = app.Listener.Addr().String()
				}
			}
			if !slices.Contains(args, "--app") {
				args = append(args, "--app", "127.0.0.1:1")
			}
			output, err := begin("", append(args, "--prove")...)
			if err != nil || !strings.HasSuffix(output, "It works: what is signed passes, what is forged does not.\n") {
				t.Fatalf("%v\n%s", err, output)
			}
			madeUp, standIn := strings.Contains(output, "just made up"), strings.Contains(output, "the stand-in got")
			if is := strings.HasSuffix(name, " is"); madeUp == is {
				t.Errorf("made up a secret: %v\n%s", madeUp, output)
			}
			if mine := name == "an address of mine"; standIn == mine || mine && (len(got) != 1 || got[0].Get("Hookpass-Verified") != "signature") {
				t.Errorf("a stand-in: %v; mine got %v\n%s", standIn, got, output)
			}
			if regexp.MustCompile(`a secret (that is there|in a file)`).MatchString(output) {
				t.Errorf("it shows the secret:\n%s", output)
			}
			if os.Getenv("STRIPE_WEBHOOK_SECRET") != "" {
				t.Error("the secret that was made up remains")
			}
		})
	}
}

// basicProvider is one whose secret is user and password.
func basicProvider(t *testing.T) string {
	t.Helper()
	for _, id := range catalog.IDs() {
		if p := lookup(t, id); p.Scheme.Type == webhook.TypeBasic && len(p.Parameters()) == 0 {
			return id
		}
	}
	t.Fatal("no provider has a user and a password")
	return ""
}

func TestInitDoesNotProveWhatFails(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer app.Close()
	t.Chdir(t.TempDir())
	output, err := begin("", "stripe", "--app", app.Listener.Addr().String(), "--prove")
	if !errors.Is(err, errUnproven) || exitCode(err) != exitNo || strings.Contains(output, "It works") {
		t.Errorf("%v\n%s", err, output)
	}
}
