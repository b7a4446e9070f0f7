package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

var update = flag.Bool("update", false, "write the Caddyfiles in testdata/sidecar")

// mark stands in every secret of these tests.
const mark = "hunter2"

// readCase returns what a case sets in lines like NAME=text and --flag=text. SECRETS
// stands for a directory with files that hold secrets.
func readCase(t *testing.T, text string) (environ []string, flags sidecarFlags) {
	t.Helper()
	environ = []string{"HOME=/nonexistent", "OTHER=" + mark}
	s := &sidecar{}
	set := s.flags()
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "--") {
			if err := set.Parse([]string{line}); err != nil {
				t.Fatal(err)
			}
		} else if line != "" && !strings.HasPrefix(line, "#") {
			environ = append(environ, line)
		}
	}
	return environ, s.said
}

func secretFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"one", "two", "#3 words", "hash"} {
		text := mark + name
		if name == "hash" {
			text = "$2a$04$ojPMKpb/HiyjhBAUHSZ5kul9JBQOFLmAzNDLTMa00V8FCCFKy/1Eq"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const dashes = "----------\n"

// Each file is an environment, a line of dashes and the Caddyfile that it stands
// for, which loads.
func TestSidecarStandsFor(t *testing.T) {
	paths, err := filepath.Glob("testdata/sidecar/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d cases, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			said, want, _ := strings.Cut(string(text), dashes)
			dir := secretFiles(t)
			environ, flags := readCase(t, strings.ReplaceAll(said, "SECRETS", dir))
			config, err := readSidecar(environ, flags)
			if err != nil {
				t.Fatal(err)
			}
			file, err := config.caddyfile(false)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(file.text.String(), dir, "SECRETS")
			if *update {
				if err := os.WriteFile(path, []byte(said+dashes+got), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("it stands for\n%s\n(go test -run %s -update writes the file)", got, t.Name())
			}
			if strings.Contains(got, mark) {
				t.Error("the Caddyfile holds a secret")
			}
			sidecarLoads(t, file, environ)
		})
	}
}

// sidecarLoads has Caddy validate the Caddyfile.
func sidecarLoads(t *testing.T, file *caddyfile, environ []string) {
	t.Helper()
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	if err := validateSidecar(file); err != nil {
		t.Error(err)
	}
}

func validateSidecar(file *caddyfile) error {
	adapted, err := file.adapt()
	if err != nil {
		return err
	}
	adapted = bytes.ReplaceAll(adapted, []byte(`"output":"stdout"`), []byte(`"output":"discard"`))
	var c caddy.Config
	if err := caddy.StrictUnmarshalJSON(adapted, &c); err != nil {
		return err
	}
	return file.explain(caddy.Validate(&c))
}

// Each error is one sentence that begins with what to change, and quotes no
// secret.
func TestSidecarRefuses(t *testing.T) {
	dir := secretFiles(t)
	const complete = "HOOKPASS_PROVIDER=stripe\nHOOKPASS_SECRET=" + mark + "\nHOOKPASS_UPSTREAM=localhost:3000\n"
	const two = "HOOKPASS_ENDPOINTS=stripe=/stripe,github=/github\nHOOKPASS_UPSTREAM=localhost:3000\nHOOKPASS_STRIPE_SECRET=" + mark + "\nHOOKPASS_GITHUB_SECRET=" + mark + "\n"
	for _, tt := range []struct{ said, says string }{
		{"", "HOOKPASS_PROVIDER is not set: a sidecar needs HOOKPASS_PROVIDER, HOOKPASS_SECRET and HOOKPASS_UPSTREAM"},
		{complete + "HOOKPASS_PROVIDER=strpe", `HOOKPASS_PROVIDER: unknown provider "strpe": did you mean "stripe"?`},
		{complete + "--provider=strpe", `--provider: unknown provider "strpe": did you mean "stripe"?`},
		{complete + "HOOKPASS_PROVIDER=docker-hub", "HOOKPASS_PROVIDER: Docker Hub signs nothing"},
		{complete + "HOOKPASS_SECRET=", "neither HOOKPASS_SECRET nor HOOKPASS_SECRET_FILE is set: "},
		{complete + "HOOKPASS_SECRET= " + mark, "HOOKPASS_SECRET: "},
		{complete + "HOOKPASS_PROVIDER=standard-webhooks\nHOOKPASS_SECRET=whsec_" + mark + "!", "HOOKPASS_SECRET: secret 1: secret has the wrong encoding"},
		{complete + "HOOKPASS_SECRET_2=" + mark + "\n--secret-env=" + mark, "--secret-env: names a variable that is not set: write the name, not the secret"},
		{complete + "HOOKPASS_SECRET_FILE=" + dir + "/none", "HOOKPASS_SECRET_FILE: open " + dir + "/none: no such file or directory"},
		{complete + "HOOKPASS_SECRET_FILE=" + mark, "HOOKPASS_SECRET_FILE: is no absolute path: write the file's, such as /run/secrets/webhook, not the secret"},
		{complete + "--secret-file=" + mark, "--secret-file: is no absolute path"},
		{complete + "HOOKPASS_PROVIDER=sendgrid", "HOOKPASS_SECRET: "},
		{complete + "HOOKPASS_SECRT=" + mark, "HOOKPASS_SECRT is unknown: did you mean HOOKPASS_SECRET?"},
		{complete + "HOOKPASS_SECRET_1=" + mark, "HOOKPASS_SECRET_1 is unknown: did you mean HOOKPASS_SECRET?"},
		{complete + "HOOKPASS_PORT=8080", "HOOKPASS_PORT is unknown: "},
		{complete + "HOOKPASS_WITH_ACCOUNT=x", "HOOKPASS_WITH_ACCOUNT is unknown: Stripe takes no parameter, and so no account"},
		{complete + "HOOKPASS_PROVIDER=paypal\nHOOKPASS_SECRET=", "HOOKPASS_WITH_WEBHOOK_ID is not set, and PayPal needs it"},
		{complete + "HOOKPASS_PROVIDER=paypal\nHOOKPASS_WITH_WEBHOOK=x", "HOOKPASS_WITH_WEBHOOK is unknown: did you mean HOOKPASS_WITH_WEBHOOK_ID?"},
		{complete + "HOOKPASS_PROVIDER=paypal\nHOOKPASS_WITH_WEBHOOK_ID=x", "HOOKPASS_SECRET: the provider's keys are fetched from where it publishes them: remove it"},
		{complete + "HOOKPASS_UPSTREAM=", "HOOKPASS_UPSTREAM is not set: write where the application is, such as localhost:3000"},
		{complete + "HOOKPASS_UPSTREAM=3000", "HOOKPASS_UPSTREAM: is no address of an application"},
		{complete + "HOOKPASS_UPSTREAM=http://app:3000/hooks", "HOOKPASS_UPSTREAM: is no address of an application"},
		{complete + "HOOKPASS_UPSTREAM=ftp://app:3000", "HOOKPASS_UPSTREAM: is no address of an application"},
		{complete + "HOOKPASS_UPSTREAM=my app:3000", "HOOKPASS_UPSTREAM: is no address of an application"},
		{complete + "HOOKPASS_UPSTREAM=a,b:3000", "HOOKPASS_UPSTREAM: is no address of an application"},
		{complete + "HOOKPASS_UPSTREAM=*:3000", "HOOKPASS_UPSTREAM: is no address of an application"},
		{complete + "HOOKPASS_UPSTREAM=app:0", "HOOKPASS_UPSTREAM: is no address of an application"},
		{complete + "HOOKPASS_UPSTREAM=localhost:8080", "HOOKPASS_UPSTREAM: port 8080 here is hookpass's own, by HOOKPASS_LISTEN"},
		{complete + "HOOKPASS_UPSTREAM={$HOME}:80", "HOOKPASS_UPSTREAM: it must have no '{' in it"},
		{complete + "--upstream=", "--upstream: is empty"},
		{complete + "--upstream=a:1\n--upstream=b:1", "--upstream is given twice: remove one"},
		{complete + "HOOKPASS_PATH=hooks", `HOOKPASS_PATH: "hooks" is no path: write it like /hooks/stripe`},
		{complete + "HOOKPASS_PATH=/hooks*", `HOOKPASS_PATH: "/hooks*" is no path`},
		{complete + "HOOKPASS_LISTEN=8080", `HOOKPASS_LISTEN: "8080" is no address: write it like :8080 or localhost:8080`},
		{complete + "HOOKPASS_LISTEN=:8080 example.com", `HOOKPASS_LISTEN: ":8080 example.com" is no address`},
		{complete + "HOOKPASS_LISTEN=:8080/hooks", `HOOKPASS_LISTEN: ":8080/hooks" is no address`},
		{complete + "HOOKPASS_LISTEN=:http", `HOOKPASS_LISTEN: ":http" is no address`},
		{complete + "HOOKPASS_LISTEN=:", `HOOKPASS_LISTEN: ":" is no address`},
		{complete + "HOOKPASS_LISTEN=:65536", `HOOKPASS_LISTEN: ":65536" is no address`},
		{complete + "HOOKPASS_HEALTH_LISTEN=:8080", "HOOKPASS_HEALTH_LISTEN: port 8080 is that of HOOKPASS_LISTEN: choose another"},
		{complete + "HOOKPASS_HEALTH_LISTEN=:x", `HOOKPASS_HEALTH_LISTEN: ":x" is no address`},
		{complete + "HOOKPASS_ADMIN=localhost:8081", "HOOKPASS_ADMIN: port 8081 is that of HOOKPASS_HEALTH_LISTEN: choose another"},
		{complete + "HOOKPASS_TOLERANCE=5x", `HOOKPASS_TOLERANCE: "5x" is no duration: write it like 5m, or off`},
		{complete + "--tolerance=5x", `--tolerance: "5x" is no duration`},
		{complete + "HOOKPASS_MAX_BODY=big", `HOOKPASS_MAX_BODY: "big" is no size above zero: write it like 1MiB`},
		{complete + "HOOKPASS_MAX_BODY=1GiB", "HOOKPASS_MAX_BODY: a body of max_body (1073741824 bytes) could never be read"},
		{complete + "HOOKPASS_PUBLIC_URL=hooks.example.com", "HOOKPASS_PUBLIC_URL: must be scheme and host"},
		{complete + "HOOKPASS_MODE=monito", `HOOKPASS_MODE: "monito" is unknown: write enforce or monitor`},
		{complete + "HOOKPASS_BODIES=yes", `HOOKPASS_BODIES: "yes" is unknown: write on or off`},
		{complete + "HOOKPASS_REDACT=data.email", "HOOKPASS_REDACT: no bodies are kept: set HOOKPASS_BODIES to on, or remove it"},
		{complete + "HOOKPASS_BODIES=on\nHOOKPASS_REDACT=data..email", "HOOKPASS_REDACT: "},
		{complete + "HOOKPASS_GRACE_PERIOD=long", `HOOKPASS_GRACE_PERIOD: time: invalid duration "long"`},
		{complete + "HOOKPASS_LOG=xml", `HOOKPASS_LOG: "xml" is none of json, text and an absolute path`},
		{complete + "HOOKPASS_SIGN=whsec_" + mark + "!", `HOOKPASS_SIGN: secret has the wrong encoding`},
		{complete + "HOOKPASS_SIGN=" + mark + "\nHOOKPASS_SIGN_FILE=" + dir + "/one", "HOOKPASS_SIGN_FILE: there may be one alone, and HOOKPASS_SIGN says it, too"},
		{complete + "HOOKPASS_CONSOLE=8082", `HOOKPASS_CONSOLE: "8082" is no address: write it like localhost:8082, or off`},
		{complete + "HOOKPASS_CONSOLE=localhost:8080", "HOOKPASS_CONSOLE: port 8080 is that of HOOKPASS_LISTEN: choose another"},
		{complete + "HOOKPASS_CONSOLE=:8082", `HOOKPASS_CONSOLE: whoever reaches ":8082" would see the deliveries: write localhost:8082, or set HOOKPASS_CONSOLE_USER, and HOOKPASS_CONSOLE_PASSWORD_HASH to what hookpass hash-password prints`},
		{complete + "HOOKPASS_CONSOLE=0.0.0.0:8082", "HOOKPASS_CONSOLE: whoever reaches"},
		{complete + "HOOKPASS_CONSOLE=[::]:8082", "HOOKPASS_CONSOLE: whoever reaches"},
		{complete + "HOOKPASS_CONSOLE=10.0.0.1:8082", "HOOKPASS_CONSOLE: whoever reaches"},
		{complete + "HOOKPASS_CONSOLE=hooks.example.com:8082", "HOOKPASS_CONSOLE: whoever reaches"},
		{complete + "HOOKPASS_CONSOLE=:8082\nHOOKPASS_CONSOLE_USER=ann", "HOOKPASS_CONSOLE_USER: a user needs a password: set HOOKPASS_CONSOLE_PASSWORD_HASH"},
		{complete + "HOOKPASS_CONSOLE=:8082\nHOOKPASS_CONSOLE_PASSWORD_HASH=" + mark, "HOOKPASS_CONSOLE_PASSWORD_HASH: a password needs a user: set HOOKPASS_CONSOLE_USER"},
		{complete + "HOOKPASS_CONSOLE=:8082\nHOOKPASS_CONSOLE_USER=ann\nHOOKPASS_CONSOLE_PASSWORD_HASH=" + mark, "HOOKPASS_CONSOLE_PASSWORD_HASH: it is no password's hash by bcrypt: write what hookpass hash-password prints"},
		{complete + "HOOKPASS_CONSOLE=:8082\nHOOKPASS_CONSOLE_USER=ann\nHOOKPASS_CONSOLE_PASSWORD_HASH_FILE=" + dir + "/one", "HOOKPASS_CONSOLE_PASSWORD_HASH_FILE: it is no password's hash by bcrypt"},
		{complete + "HOOKPASS_CONSOLE=:8082\nHOOKPASS_CONSOLE_USER=ann\n--console-password-hash-file=" + dir + "/one", "--console-password-hash-file: it is no password's hash by bcrypt"},
		{complete + "HOOKPASS_CONSOLE_USER=ann", "HOOKPASS_CONSOLE_USER: there is no console: set HOOKPASS_CONSOLE, such as localhost:8082"},
		{complete + "HOOKPASS_CONSOLE=off\nHOOKPASS_CONSOLE_PASSWORD_HASH=" + mark, "HOOKPASS_CONSOLE_PASSWORD_HASH: there is no console"},
		{complete + "HOOKPASS_DEDUP=disk", "HOOKPASS_DEDUP: it is none of memory, off, an absolute path for the journal, and a redis:// URL"},
		{complete + "HOOKPASS_DEDUP=http://u:" + mark + "@host", "HOOKPASS_DEDUP: dedup: wrong options for redis: URL 1 begins with neither redis://"},
		{complete + "--dedup=redis://u:" + mark + "@host", "--dedup: must hold no password, as everybody on the machine sees it: set HOOKPASS_DEDUP instead"},
		{complete + "HOOKPASS_DEDUP_ON_ERROR=reject", "HOOKPASS_DEDUP_ON_ERROR: is for a Redis, and HOOKPASS_DEDUP names none"},
		{complete + "HOOKPASS_DEDUP=redis://host\nHOOKPASS_DEDUP_ON_ERROR=rejct", "HOOKPASS_DEDUP_ON_ERROR: unknown on_error rejct: did you mean reject?"},
		{two + "HOOKPASS_PROVIDER=stripe", "HOOKPASS_PROVIDER: is for a single endpoint: with HOOKPASS_ENDPOINTS, write HOOKPASS_<NAME>_PROVIDER"},
		{two + "HOOKPASS_SECRET=" + mark, "HOOKPASS_SECRET: is for a single endpoint"},
		{two + "--path=/x", "--path: is for a single endpoint"},
		{two + "HOOKPASS_STRIP_SECRET=" + mark, "HOOKPASS_STRIP_SECRET is unknown: did you mean HOOKPASS_STRIPE_SECRET?"},
		{two + "HOOKPASS_STRIPE_PATH=/x", "HOOKPASS_STRIPE_PATH is unknown: "},
		{two + "HOOKPASS_STRIPE_SECRET=", "neither HOOKPASS_STRIPE_SECRET nor HOOKPASS_STRIPE_SECRET_FILE is set: "},
		{two + "HOOKPASS_STRIPE_TOLERANCE=5x", `HOOKPASS_STRIPE_TOLERANCE: "5x" is no duration`},
		{two + "HOOKPASS_GITHUB_TOLERANCE=5m", "HOOKPASS_GITHUB_TOLERANCE: github signs no timestamp"},
		{two + "HOOKPASS_GITHUB_UPSTREAM=x", "HOOKPASS_GITHUB_UPSTREAM: is no address of an application"},
		{two + "HOOKPASS_ENDPOINTS=stripe", `HOOKPASS_ENDPOINTS: "stripe" is no endpoint: write it like stripe=/hooks/stripe`},
		{two + "HOOKPASS_ENDPOINTS=stripe=/a,github=/A/", "HOOKPASS_ENDPOINTS: /A is there twice: give each endpoint a path of its own"},
		{two + "HOOKPASS_ENDPOINTS=a-b=/a,a_b=/b\nHOOKPASS_A_B_PROVIDER=stripe", "HOOKPASS_ENDPOINTS: a-b and a_b would have the same variables"},
		{two + "HOOKPASS_ENDPOINTS=payments=/a", `HOOKPASS_ENDPOINTS: unknown provider "payments"`},
	} {
		t.Run(strings.TrimPrefix(tt.said, complete), func(t *testing.T) {
			err := sidecarError(t, tt.said)
			if err == nil || !strings.HasPrefix(err.Error(), tt.says) || strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("the error is\n\t%v\nwant\n\t%s", err, tt.says)
			}
			if err != nil && strings.Contains(err.Error(), mark) {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

// sidecarError is how far a sidecar comes that listens nowhere. The later of two
// lines about a variable counts.
func sidecarError(t *testing.T, text string) error {
	t.Helper()
	environ, flags := readCase(t, text)
	slices.Reverse(environ)
	seen := map[string]bool{}
	environ = slices.DeleteFunc(environ, func(entry string) bool {
		name, value, _ := strings.Cut(entry, "=")
		again := seen[name]
		if seen[name] = true; !again {
			t.Setenv(name, value)
		}
		return again
	})
	config, err := readSidecar(environ, flags)
	if err != nil {
		return err
	}
	file, err := config.caddyfile(false)
	if err != nil {
		return err
	}
	return validateSidecar(file)
}

// Where a port is taken, the error names the variable that says the port.
func TestSidecarNamesThePortThatIsTaken(t *testing.T) {
	environ, flags := readCase(t, `
		HOOKPASS_PROVIDER=stripe
		HOOKPASS_SECRET=`+mark+`
		HOOKPASS_UPSTREAM=app:3000
		HOOKPASS_CONSOLE=localhost:8082`)
	config, err := readSidecar(environ, flags)
	if err != nil {
		t.Fatal(err)
	}
	file, err := config.caddyfile(false)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{":8080": "HOOKPASS_LISTEN: ", "localhost:8082": "HOOKPASS_CONSOLE: "} {
		taken := fmt.Errorf("loading new config: http app module: start: listening on %s: listen tcp: address already in use", address)
		if err := file.explain(taken); !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s is taken: %v", address, err)
		}
	}
}

// A Service named hookpass makes Kubernetes set these in every container.
func TestSidecarIsStartedByKubernetes(t *testing.T) {
	environ, flags := readCase(t, `
		HOOKPASS_PROVIDER=stripe
		HOOKPASS_SECRET=`+mark+`
		HOOKPASS_UPSTREAM=localhost:3000
		HOOKPASS_SERVICE_HOST=10.0.0.1
		HOOKPASS_SERVICE_PORT=8080
		HOOKPASS_SERVICE_PORT_WEBHOOKS=8080
		HOOKPASS_PORT=tcp://10.0.0.1:8080
		HOOKPASS_PORT_8080_TCP=tcp://10.0.0.1:8080
		HOOKPASS_PORT_8080_TCP_PROTO=tcp
		HOOKPASS_PORT_8080_TCP_PORT=8080
		HOOKPASS_PORT_8080_TCP_ADDR=10.0.0.1
		HOOKPASS_METRICS_SERVICE_HOST=10.0.0.2
		HOOKPASS_METRICS_PORT=tcp://10.0.0.2:8081`)
	if _, err := readSidecar(environ, flags); err != nil {
		t.Error(err)
	}
}

// The environments of the pages load, and their Caddyfiles, too.
func TestSidecarPageIsRight(t *testing.T) {
	for _, name := range []string{"sidecar.md", "console.md"} {
		page, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		examples := regexp.MustCompile("(?s)```env\n(.*?)```").FindAllStringSubmatch(string(page), -1)
		if len(examples) < 2 {
			t.Fatalf("there are %d examples in %s", len(examples), name)
		}
		for _, example := range examples {
			if err := sidecarError(t, example[1]); err != nil {
				t.Errorf("%v in\n%s", err, example[1])
			}
		}
	}
}

// Where a setting is known to the flags, it is known to the environment, and the
// other way round, and the page tells of both.
func TestSidecarPageHasEverySetting(t *testing.T) {
	page, err := os.ReadFile("../../docs/sidecar.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, match := range regexp.MustCompile("(?m)^\\| `HOOKPASS_([A-Z_]+)(?:<NAME>)?`").FindAllStringSubmatch(string(page), -1) {
		told = append(told, match[1])
	}
	var known []string
	for _, s := range sidecarSettings {
		known = append(known, s.name)
	}
	known = append(known, "WITH_")
	slices.Sort(told)
	slices.Sort(known)
	if !slices.Equal(told, known) {
		t.Errorf("the page tells of\n%v\nand there are\n%v", told, known)
	}
}
