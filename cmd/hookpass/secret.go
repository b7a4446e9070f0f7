package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

// secretFlags say where a secret is, and so are no secret themselves, but for text,
// which send has for development.
type secretFlags struct {
	text, env, file string
}

func (s *secretFlags) register(f *flag.FlagSet) {
	f.StringVar(&s.env, "secret-env", "", "Name of the environment variable that holds the secret")
	f.StringVar(&s.file, "secret-file", "", "Path of the file that holds the secret; a line break at its end is not part of it")
}

// given reports whether there is a secret to be read.
func (s *secretFlags) given() bool { return s.text != "" || s.env != "" || s.file != "" }

// needed reports whether the provider takes a secret.
func (s *secretFlags) needed(provider *catalog.Provider) (bool, error) {
	facts, err := provider.Scheme.Facts()
	if err == nil && facts.FetchesKeys && s.given() {
		err = fmt.Errorf("%s publishes its keys, which are fetched: leave the secret out", provider.ID)
	}
	return !facts.FetchesKeys, err
}

// secret returns the secret. No error quotes it.
func (s *secretFlags) secret(form webhook.KeyForm) (webhook.Secret, error) {
	from, text, err := s.plain()
	if err != nil {
		return webhook.Secret{}, err
	}
	secret, err := webhook.ParseSecret("", text, form)
	if err != nil {
		return webhook.Secret{}, fmt.Errorf("%s: %w", from, err)
	}
	return secret, nil
}

// plain returns the secret's text, and the flag that says where it is from.
func (s *secretFlags) plain() (from, text string, err error) {
	given := slices.DeleteFunc([]string{s.text, s.env, s.file}, func(value string) bool { return value == "" })
	if len(given) != 1 {
		return "", "", errors.New("write one, and not an empty one, of --secret-env NAME and --secret-file PATH, or for development send's --secret TEXT")
	}
	switch {
	case s.env != "":
		text = os.Getenv(s.env)
		if text == "" {
			// The name is not quoted: somebody may have given the secret itself.
			return "", "", fmt.Errorf("--secret-env: %w: write the name of a variable that is set, not the secret", webhook.ErrSecretEmpty)
		}
		return "--secret-env " + s.env, text, nil
	case s.file != "":
		content, err := os.ReadFile(s.file)
		if err != nil {
			return "", "", fmt.Errorf("--secret-file: %w", err)
		}
		// As Caddy reads {file.PATH}, so that one file serves both.
		return "--secret-file " + s.file, strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r"), nil
	default:
		return "--secret", s.text, nil
	}
}

// withFlags are the provider's parameters, by name.
type withFlags map[string]string

func newWithFlags(f *flag.FlagSet) withFlags {
	w := withFlags{}
	f.Func("with", "A parameter of the provider, as NAME=VALUE; repeatable", w.add)
	return w
}

func (w withFlags) add(text string) error {
	name, value, _ := strings.Cut(text, "=")
	if name == "" || value == "" {
		return errors.New("write NAME=VALUE")
	}
	w[name] = value
	return nil
}

// check finds parameters that the provider does not have, and those that are missing.
func (w withFlags) check(provider *catalog.Provider) error {
	facts, err := provider.Scheme.Facts()
	if err != nil {
		return err
	}
	known := slices.Sorted(maps.Keys(provider.With))
	for name := range w {
		switch {
		case len(known) == 0:
			return fmt.Errorf("--with %s: %s takes no parameters: leave it out", name, provider.ID)
		case !slices.Contains(known, name):
			return fmt.Errorf("--with %s: did you mean %s?", name, catalog.Nearest(name, known))
		}
	}
	for _, name := range facts.Parameters { // those of handshakes sign nothing
		if w[name] == "" {
			return fmt.Errorf("--with %s=VALUE is missing: %s", name, provider.With[name])
		}
	}
	return nil
}

// timeFlag is a point in time, as RFC 3339 or in Unix seconds.
type timeFlag struct{ time.Time }

func (t *timeFlag) register(f *flag.FlagSet, usage string) {
	f.Func("at", usage+", such as 2026-01-01T00:00:00Z or 1767225600", func(text string) (err error) {
		if t.Time, err = time.Parse(time.RFC3339, text); err == nil {
			return nil
		}
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errors.New("write a time such as 2026-01-01T00:00:00Z, or Unix seconds")
		}
		t.Time = time.Unix(seconds, 0)
		return nil
	})
}

// or returns the time, or another one where the flag is not given.
func (t *timeFlag) or(other time.Time) time.Time {
	if t.IsZero() {
		return other
	}
	return t.Time
}
