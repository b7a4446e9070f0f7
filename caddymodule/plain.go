package caddymodule

import (
	"net/url"
	"strings"

	"go.uber.org/zap"

	"github.com/hookpass/hookpass/webhook"
)

// readableSecret says what is wrong with a secret that is no placeholder. Caddy replaces
// {$NAME} before anybody else reads the file, so that it leaves such a one, too.
const readableSecret = "a secret stands in the configuration as text, where Caddy's admin API and its autosaved file show it: " +
	"write {env.NAME}, or {file./absolute/path}, and not {$NAME}"

func placeholder(value string) bool {
	return strings.Contains(value, "{env.") || strings.Contains(value, "{file.")
}

// warnOfReadableSecrets tells of those that are readable. Public keys are no secrets.
func (h *VerifyWebhook) warnOfReadableSecrets() {
	warn := func(word string, s Secret) {
		if !placeholder(s.Value) {
			h.logger.Warn(readableSecret, zap.String("endpoint", h.settings.name), zap.String("word", word), zap.String("source", s.Source))
		}
	}
	if form, _, _ := strings.Cut(string(h.settings.scheme.Key), " "); webhook.KeyForm(form) != webhook.KeyPublic {
		for _, s := range h.Secrets {
			warn("secret", s)
		}
	}
	if h.Sign != nil {
		warn("sign", Secret{Value: h.Sign.Value, Source: h.Sign.Source})
	}
}

// readable reports whether a password stands in the configuration as text.
func (s *RedisStore) readable() bool {
	if s.Password != "" && !placeholder(s.Password) {
		return true
	}
	for _, text := range s.URLs {
		if address, err := url.Parse(text); err == nil && !placeholder(text) {
			if _, there := address.User.Password(); there {
				return true
			}
		}
	}
	return false
}
