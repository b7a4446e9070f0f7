package caddymodule

import (
	"strings"
	"testing"
)

func TestASecretThatStandsInTheConfigurationIsWarnedOf(t *testing.T) {
	t.Setenv("HOOKPASS_TEST_SECRET", testSecret)
	t.Setenv("HOOKPASS_TEST_SIGN", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	const publicKey = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
	for name, tt := range map[string]struct {
		options, directive string
		warnings           int
	}{
		"a text":                       {directive: "verify_webhook saltare " + testSecret, warnings: 1},
		"what Caddy makes a text":      {directive: "verify_webhook saltare {$HOOKPASS_TEST_SECRET}", warnings: 1},
		"an environment variable":      {directive: "verify_webhook saltare {env.HOOKPASS_TEST_SECRET}"},
		"one of two":                   {directive: "verify_webhook saltare {\n secret {env.HOOKPASS_TEST_SECRET}\n secret old-" + testSecret + "\n}", warnings: 1},
		"what signs":                   {directive: "verify_webhook saltare {\n secret {env.HOOKPASS_TEST_SECRET}\n sign {$HOOKPASS_TEST_SIGN}\n}", warnings: 1},
		"what signs, from the outside": {directive: "verify_webhook saltare {\n secret {env.HOOKPASS_TEST_SECRET}\n sign {env.HOOKPASS_TEST_SIGN}\n}"},
		"a public key":                 {directive: "verify_webhook discord " + publicKey},
		"a password of Redis": {
			options: "dedup redis redis://127.0.0.1:1/0 {\n password " + testSecret + "\n}", directive: "verify_webhook saltare {env.HOOKPASS_TEST_SECRET}", warnings: 1,
		},
		"a password in its URL": {
			options: "dedup redis redis://:" + testSecret + "@127.0.0.1:1/0", directive: "verify_webhook saltare {env.HOOKPASS_TEST_SECRET}", warnings: 1,
		},
		"a password from outside": {
			options: "dedup redis redis://:{env.HOOKPASS_TEST_SECRET}@127.0.0.1:1/0", directive: "verify_webhook saltare {env.HOOKPASS_TEST_SECRET}",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := serve(t, nil, "respond ok")
			g.options = tt.options
			g.load(newApplication(t), tt.directive+"\nreverse_proxy APP")
			warnings := strings.Count(string(readFile(t, g.caddyLog())), "stands in the configuration as text")
			if warnings != tt.warnings {
				t.Errorf("%d warnings, want %d", warnings, tt.warnings)
			}
			if log := string(readFile(t, g.caddyLog())); strings.Contains(log, testSecret) {
				t.Errorf("the secret is in the log: %s", log)
			}
		})
	}
}
