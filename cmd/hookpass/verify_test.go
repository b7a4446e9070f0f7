package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hookpass/hookpass/capture"
	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

// noKeys is a source of keys that is down.
type noKeys struct{}

func (noKeys) Keys(webhook.KeyRequest, string) ([]jose.JSONWebKey, error) {
	return nil, webhook.ErrKeyUnavailable
}

// verifies runs the command at the time of arrival, with input as standard input.
func verifies(input string, args ...string) (output string, err error) {
	var text bytes.Buffer
	v := &verify{inspection{input: strings.NewReader(input), output: &text, now: func() time.Time { return arrival }, keys: noKeys{}}}
	flags := v.flags()
	flags.SetOutput(io.Discard)
	if err := flags.Parse(append([]string{"--request", "-"}, args...)); err != nil {
		return "", err
	}
	err = v.run(flags.Args())
	return text.String(), err
}

// raw is a captured delivery.
func raw(method, target string, header map[string]string, body string) string {
	text := method + " " + target + " HTTP/1.1\r\n"
	for name, value := range header {
		text += name + ": " + value + "\r\n"
	}
	return text + "\r\n" + body
}

// What the catalogue knows to be genuine is, as it was captured.
func TestEveryVectorIsGenuine(t *testing.T) {
	count := 0
	for _, id := range catalog.IDs() {
		provider := lookup(t, id)
		if provider.Scheme.Keys != "" {
			continue
		}
		for i, v := range provider.Vectors {
			t.Run(fmt.Sprintf("%s/%d", id, i), func(t *testing.T) {
				secret := filepath.Join(t.TempDir(), "secret")
				if err := os.WriteFile(secret, []byte(v.Secret), 0o600); err != nil {
					t.Fatal(err)
				}
				url, method := v.URL, v.Method
				if url == "" {
					url = "https://hooks.example.com/in"
				}
				if method == "" {
					method = http.MethodPost
				}
				flags := []string{"--provider", id, "--secret-file", secret, "--json"}
				if !v.Time.IsZero() {
					flags = append(flags, "--at", v.Time.Format(time.RFC3339))
				}
				for name, value := range v.With {
					flags = append(flags, "--with", name+"="+value)
				}
				output, err := verifies(raw(method, url, v.Header, v.Body), flags...)
				var f finding
				if err != nil || json.Unmarshal([]byte(output), &f) != nil {
					t.Fatalf("%v\n%s", err, output)
				}
				if f.Verdict != "genuine" || f.DeliveryID != v.DeliveryID || f.Event != v.Event || f.Reason != "" {
					t.Errorf("%+v", f)
				}
			})
			count++
		}
	}
	if count < 300 {
		t.Errorf("%d vectors", count)
	}
}

const sallyRequest = "POST /in HTTP/1.1\nHost: hooks.example.com\nX-Sally-Delivery: d-1\nX-Sally-Event: alert.created\nX-Sally-Timestamp: 1767225600\nX-Sally-Signature: " + sallySignature + "\n\n{}"

func TestAVerdictHasItsReason(t *testing.T) {
	t.Setenv("SECRET", "sally-example-secret")
	t.Setenv("OTHER", "another")
	for name, tt := range map[string]struct {
		input string
		flags []string
		says  string
	}{
		"genuine":            {sallyRequest, []string{"--secret-env", "SECRET"}, "genuine: a delivery of sally\n  request: POST https://hooks.example.com/in\n  delivery: d-1\n  event: alert.created\n  signed at: 2026-01-01T00:00:00Z\n  checked as of: 2026-01-01T00:00:00Z\n"},
		"another secret":     {sallyRequest, []string{"--secret-env", "OTHER"}, "rejected: signature_mismatch: "},
		"another body":       {sallyRequest + " ", []string{"--secret-env", "SECRET"}, "rejected: signature_mismatch: "},
		"no signature":       {"POST /in\n\n{}", []string{"--secret-env", "SECRET"}, "rejected: signature_missing: signature missing\n  request: POST /in\n  delivery: –\n"},
		"too late":           {sallyRequest, []string{"--secret-env", "SECRET", "--at", "1767229200"}, "rejected: timestamp_too_old: timestamp too old: by 55m0s"},
		"too early":          {sallyRequest, []string{"--secret-env", "SECRET", "--at", "2025-12-31T00:00:00+01:00"}, "rejected: timestamp_too_new: "},
		"a terminal's words": {strings.Replace(sallyRequest, "d-1", "\u009b2J", 1), []string{"--secret-env", "SECRET"}, `delivery: \u009b2J`},
		"another address":    {sallyRequest, []string{"--secret-env", "SECRET", "--url", "http://x/y"}, "request: POST http://x/y\n"},
	} {
		t.Run(name, func(t *testing.T) {
			output, err := verifies(tt.input, append(tt.flags, "--provider", "sally")...)
			if !strings.Contains(output, tt.says) {
				t.Errorf("it says\n%s\nwithout\n%s", output, tt.says)
			}
			if strings.HasPrefix(output, "rejected") != errors.Is(err, errRejected) || err != nil && exitCode(err) != exitNo {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// A HAR tells when each request was sent, so that an old one can be genuine still.
func TestAHARHasItsOwnTimes(t *testing.T) {
	t.Setenv("SECRET", "sally-example-secret")
	const request = `{"startedDateTime":"%s","request":{"method":"POST","url":"https://a.example/in","headers":[{"name":"x-sally-timestamp","value":"1767225600"},{"name":"x-sally-signature","value":"` + sallySignature + `"}],"postData":{"text":"{}"}}}`
	har := `{"log":{"entries":[` + fmt.Sprintf(request, "2026-01-01T00:01:00Z") + "," + fmt.Sprintf(request, "2026-01-02T00:00:00Z") + `]}}`
	output, err := verifies(har, "--provider", "sally", "--secret-env", "SECRET", "--json")
	if !errors.Is(err, errRejected) || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("got %v", err)
	}
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"verdict":"genuine"`) || !strings.Contains(lines[1], `"reason":"timestamp_too_old"`) {
		t.Errorf("got %s", output)
	}
}

func TestWhatCannotBeVerifiedIsSaid(t *testing.T) {
	t.Setenv("SECRET", "sally-example-secret")
	for name, tt := range map[string]struct {
		input string
		args  []string
		says  string
		cause error
	}{
		"no provider":        {sallyRequest, nil, "write --provider ID: by its header fields it could be of sally", nil},
		"no provider at all": {"POST /in\n\n", nil, "write --provider ID; hookpass providers lists them", nil},
		"a misspelt one":     {sallyRequest, []string{"--provider", "sallly"}, `did you mean "sally"?`, catalog.ErrUnknownProvider},
		"no secret":          {sallyRequest, []string{"--provider", "sally"}, "--secret-env NAME and --secret-file PATH", nil},
		"an empty secret":    {sallyRequest, []string{"--provider", "sally", "--secret-env", "UNSET_BY_THE_TEST"}, "--secret-env: ", webhook.ErrSecretEmpty},
		"a needless secret":  {sallyRequest, []string{"--provider", "paypal", "--with", "webhook_id=x", "--secret-env", "SECRET"}, "leave the secret out", nil},
		"no parameter":       {sallyRequest, []string{"--provider", "paypal"}, "--with webhook_id=VALUE is missing", nil},
		"no request":         {"hello", []string{"--provider", "sally"}, "is no line such as", capture.ErrMalformed},
		"no address":         {sallyRequest, []string{"--provider", "sally", "--url", "in"}, "--url: ", capture.ErrMalformed},
		"no file":            {"", []string{"--request", "none", "--provider", "sally"}, "none", fs.ErrNotExist},
		"no flag":            {"", []string{"request"}, "write the file with the request", nil},
		"no request named":   {"", []string{"--request", ""}, "write the file with the request", nil},
		"no time":            {"", []string{"--at", "noon"}, "write a time such as", nil},
	} {
		t.Run(name, func(t *testing.T) {
			output, err := verifies(tt.input, tt.args...)
			if err == nil || !strings.Contains(err.Error(), tt.says) || tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("got %v, want %s", err, tt.says)
			}
			if exitCode(err) != exitFail || output != "" {
				t.Errorf("exit code %d, output %s", exitCode(err), output)
			}
		})
	}
	output, err := verifies("POST /in\nPaypal-Auth-Algo: SHA256withRSA\nPaypal-Cert-Url: https://api.paypal.com/v1/notifications/certs/CERT-1\nPaypal-Transmission-Id: 1\nPaypal-Transmission-Sig: "+strings.Repeat("A", 344)+"\nPaypal-Transmission-Time: 2026-01-01T00:00:00Z\n\n{}", "--provider", "paypal", "--with", "webhook_id=x")
	if !strings.Contains(output, "rejected: key_unavailable") {
		t.Errorf("keys that cannot be had: %v, %s", err, output)
	}
}

// A command that somebody sent may name what has no end.
func TestVerifyReadsNoEndlessBody(t *testing.T) {
	_, err := verifies("curl https://hooks.example.com/ --data-binary @/dev/zero", "--provider", "github", "--secret-env", "SECRET")
	if err == nil || err.Error() != "/dev/zero: it is larger than 67108864 bytes" {
		t.Errorf("it ends with %v", err)
	}
}
