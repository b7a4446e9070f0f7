package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

func TestMistakesAreNamedBeforeAnythingIsSent(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"no provider", []string{}, "name one provider, such as hookpass send saltare"},
		{"two providers", []string{"stripe", "github"}, "name one provider"},
		{"a misspelt provider", []string{"saltre"}, `unknown provider "saltre": did you mean "saltare"?`},
		{"no address", []string{"--secret", "x", "github"}, `--to "": write the endpoint's address`},
		{"an address without a scheme", []string{"--secret", "x", "--to", "localhost:8080/in", "github"}, `--to "localhost:8080/in"`},
		{"an address without a host", []string{"--secret", "x", "--to", "http:///in", "github"}, `--to "http:///in"`},
		{"no secret", []string{"--to", "http://x", "github"}, "not an empty one, of --secret-env NAME and --secret-file PATH, or for development send's --secret TEXT"},
		{"an empty secret", []string{"--secret", "", "--to", "http://x", "github"}, "not an empty one, of --secret-env NAME"},
		{"two secrets", []string{"--secret", "x", "--secret-env", "X", "--to", "http://x", "github"}, "write one, and not an empty one, of --secret-env"},
		{"a number of copies that is none", []string{"--repeat", "0", "github"}, "--repeat 0: write how many times, at least 1"},
		{"copies without a number", []string{"--repeat", "x", "github"}, "-repeat"},
		{"an unknown command to print", []string{"--print", "wget", "github"}, "--print wget: write curl"},
		{"a parameter that the provider does not have", []string{"--with", "account=x", "github"}, "--with account: github takes no parameters"},
		{"a parameter without a value", []string{"--with", "account", "github"}, "write NAME=VALUE"},
		{"a field without a value", []string{"--header", "X-Note", "github"}, "write 'NAME: VALUE'"},
		{"a field whose name is none", []string{"--header", "X Note: x", "github"}, "write 'NAME: VALUE'"},
		{"a field that follows from the rest", []string{"--header", "host: x", "github"}, "Host follows from --to and --data"},
		{"a line break in a header field", []string{"--secret", "x", "--to", "http://x", "--id", "a\nb", "github"}, `header field X-Github-Delivery: "a\nb" holds a control character`},
		{"a file that is not there", []string{"--secret", "x", "--to", "http://x", "--data", "@" + none, "github"}, "--data: open " + none},
		{"the secret in place of its variable", []string{"--secret-env", mark, "--to", "http://x", "github"}, "--secret-env: secret is empty: write the name of a variable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			output, err := run(tt.args...)
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), mark) {
				t.Errorf("got %v, want it to say %q", err, tt.says)
			}
			if output != "" {
				t.Errorf("it printed %s", output)
			}
		})
	}
	if _, err := run("saltre"); !errors.Is(err, catalog.ErrUnknownProvider) {
		t.Errorf("a misspelt provider: %v", err)
	}
}

func TestAParameterOfTheProviderIsAskedForByItsName(t *testing.T) {
	provider := &catalog.Provider{
		ID: "acme",
		Scheme: webhook.Scheme{
			Type: webhook.TypeHMAC, Algorithm: "sha256", Encoding: "hex",
			Signature: "header X-Sig", Signed: "{with:account}{with:zone}{body}",
		},
		With: map[string]string{"account": "The account's number.", "zone": "The zone.", "verify_token": "For the handshake."},
	}
	for _, tt := range []struct {
		name string
		with map[string]string
		says string
	}{
		{"misspelt", map[string]string{"acount": "x"}, "--with acount: did you mean account?"},
		{"missing", map[string]string{"zone": "x"}, "--with account=VALUE is missing: The account's number."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &send{repeat: 1, with: tt.with}
			if err := s.check(provider); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %s", err, tt.says)
			}
		})
	}
	s := &send{repeat: 1, with: map[string]string{"account": "x", "zone": "x"}}
	if err := s.check(provider); err != nil {
		t.Errorf("without the handshake's: %v", err)
	}
}

func TestTheSecretComesFromAFlagTheEnvironmentOrAFile(t *testing.T) {
	const text = "sally-example-secret"
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOOKPASS_TEST_SECRET", text)
	for _, flags := range [][]string{{"--secret", text}, {"--secret-env", "HOOKPASS_TEST_SECRET"}, {"--secret-file", path}} {
		t.Run(flags[0], func(t *testing.T) {
			output, err := run(append(flags, "--to", "http://localhost", "--data", "{}", "--print", "curl", "sally")...)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(output, sallySignature) {
				t.Errorf("not signed with it:\n%s", output)
			}
			if strings.Contains(output, text) {
				t.Errorf("the secret is printed:\n%s", output)
			}
		})
	}
}

func TestAnUnusableSecretIsNamedWithItsSource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("blank \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOOKPASS_TEST_SECRET", "")
	for _, tt := range []struct {
		provider, flag, value string
		want                  error
	}{
		{"github", "--secret", " x", webhook.ErrSecretWhitespace},
		{"standard-webhooks", "--secret", "whsec_???", webhook.ErrSecretEncoding},
		{"github", "--secret-env", "HOOKPASS_TEST_SECRET", webhook.ErrSecretEmpty},
		{"github", "--secret-file", path, webhook.ErrSecretWhitespace},
		{"github", "--secret-file", path + ".none", fs.ErrNotExist},
	} {
		t.Run(tt.flag+" "+tt.want.Error(), func(t *testing.T) {
			_, err := run(tt.flag, tt.value, "--to", "http://localhost", tt.provider)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.flag) {
				t.Errorf("got %v, want %v of %s", err, tt.want, tt.flag)
			}
			if tt.flag == "--secret" && err != nil && strings.Contains(err.Error(), tt.value) {
				t.Errorf("the secret is printed: %v", err)
			}
		})
	}
}

func TestAForgeryNeedsNoSecret(t *testing.T) {
	if output, err := run("--forge", "--to", "http://localhost", "--print", "curl", "standard-webhooks"); err != nil || !strings.Contains(output, "Webhook-Signature: v1,") {
		t.Errorf("got %s, %v", output, err)
	}
}
