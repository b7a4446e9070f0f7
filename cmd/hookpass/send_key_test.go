package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookpass/hookpass/webhook"
)

func TestANewTestKeyTellsHowItIsConfigured(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	var told bytes.Buffer
	s := &send{testKey: path, progress: &told}
	made, err := s.privateKey(lookup(t, "discord").Scheme)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(told.String(), "\n\tsecret {file."+path+".pub}\n") {
		t.Errorf("it tells %s", &told)
	}
	public, err := os.ReadFile(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	if want, err := webhook.PublicPEM(made); err != nil || string(public) != want {
		t.Errorf("%v: the public key is\n%s\nnot\n%s", err, public, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}

	told.Reset()
	again, err := s.privateKey(lookup(t, "discord").Scheme)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := webhook.PublicPEM(again); err != nil || second != string(public) || told.Len() > 0 {
		t.Errorf("%v: the second time, the key is\n%s\n%s", err, second, &told)
	}
}

func TestWhatIsWrongWithATestKey(t *testing.T) {
	dir := t.TempDir()
	text, certificate, rsa, half := filepath.Join(dir, "text"), filepath.Join(dir, "certificate"), filepath.Join(dir, "rsa"), filepath.Join(dir, "half")
	for path, content := range map[string]string{half + ".pub": "somebody's", text: "key", certificate: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := (&send{testKey: rsa, progress: io.Discard}).makeKey(lookup(t, "wise").Scheme); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args  []string
		says  string
		cause error
	}{
		"none":              {[]string{"discord"}, "discord signs with a private key, which it keeps: write --test-key PATH, where", nil},
		"a secret":          {[]string{"--secret", "x", "discord"}, "in place of a secret, write --test-key PATH", nil},
		"a shared secret":   {[]string{"--test-key", text, "github"}, "--test-key: github signs with a secret that you share with it", nil},
		"no PEM":            {[]string{"--test-key", text, "discord"}, "is no private key in PEM", nil},
		"another thing":     {[]string{"--test-key", certificate, "discord"}, "is no private key in PKCS #8", nil},
		"a directory":       {[]string{"--test-key", dir, "discord"}, "--test-key: read " + dir, nil},
		"nowhere to put it": {[]string{"--test-key", filepath.Join(dir, "none", "key"), "discord"}, "--test-key: open ", os.ErrNotExist},
		"somebody's":        {[]string{"--test-key", half, "discord"}, "--test-key: open " + half + ".pub: file exists", os.ErrExist},
		"another kind":      {[]string{"--test-key", rsa, "discord"}, "the scheme needs an Ed25519 key", webhook.ErrSecretEncoding},
	} {
		output, err := run(append([]string{"--to", "http://localhost"}, tt.args...)...)
		if err == nil || !strings.Contains(err.Error(), tt.says) || output != "" || tt.cause != nil && !errors.Is(err, tt.cause) {
			t.Errorf("%s: %v, want %s\n%s", name, err, tt.says, output)
		}
	}
	if public, err := os.ReadFile(half + ".pub"); err != nil || string(public) != "somebody's" {
		t.Errorf("%v: what was there is now %s", err, public)
	}
}
