package main

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

const defaultEvent = "test"

// send is the command: its flags, and what it touches of the world.
type send struct {
	input  io.Reader
	output io.Writer
	now    func() time.Time

	secret, secretEnv, secretFile string
	to, event, id, data, print    string
	with                          map[string]string
	header                        http.Header
	forge, stale                  bool
	repeat                        int
}

func (s *send) flags() *flag.FlagSet {
	f := flag.NewFlagSet("send", flag.ContinueOnError)
	f.StringVar(&s.secret, "secret", "", "The endpoint's secret, as the provider's dashboard shows it; other users of this machine can see it in the process list")
	f.StringVar(&s.secretEnv, "secret-env", "", "Name of the environment variable that holds the secret")
	f.StringVar(&s.secretFile, "secret-file", "", "Path of the file that holds the secret; a line break at its end is not part of it")
	f.StringVar(&s.to, "to", "", "The endpoint's address")
	f.StringVar(&s.event, "event", "", "The event type (default: the one in --data, else "+defaultEvent+")")
	f.StringVar(&s.id, "id", "", "The delivery id (default: the one in --data, else a new UUID)")
	f.StringVar(&s.data, "data", defaultData, "The body: a JSON object, @PATH of a file, or - for standard input; a provider of forms gets "+defaultForm+" by default, one of batches "+defaultBatch)
	f.BoolVar(&s.forge, "forge", false, "Sign with another, random secret")
	f.BoolVar(&s.stale, "stale", false, "Sign with a time that is older than the provider's tolerance")
	f.IntVar(&s.repeat, "repeat", 1, "How many times to send the same delivery, each signed at its time")
	f.StringVar(&s.print, "print", "", "Print the delivery as a command instead of sending it: curl")
	s.with, s.header = map[string]string{}, http.Header{}
	f.Func("with", "A parameter of the provider, as NAME=VALUE; repeatable", s.addWith)
	f.Func("header", "A further header field, as 'NAME: VALUE'; repeatable", s.addHeader)
	return f
}

func (s *send) addWith(text string) error {
	name, value, _ := strings.Cut(text, "=")
	if name == "" || value == "" {
		return errors.New("write NAME=VALUE")
	}
	s.with[name] = value
	return nil
}

func (s *send) addHeader(text string) error {
	name, value, _ := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	if !httpguts.ValidHeaderFieldName(name) || value == "" {
		return errors.New("write 'NAME: VALUE'")
	}
	name = http.CanonicalHeaderKey(name)
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding":
		return fmt.Errorf("%s follows from --to and --data", name)
	}
	s.header.Add(name, value)
	return nil
}

// check finds what does not fit together, or does not fit the provider.
func (s *send) check(provider *catalog.Provider) error {
	switch {
	case s.repeat < 1:
		return fmt.Errorf("--repeat %d: write how many times, at least 1", s.repeat)
	case s.print != "" && s.print != "curl":
		return fmt.Errorf("--print %s: write curl", s.print)
	case s.stale && provider.MaxAge() == 0:
		return fmt.Errorf("--stale: %s signs no timestamp, so that its deliveries never are: leave it out", provider.ID)
	}
	if err := provider.Scheme.Signable(); err != nil {
		return fmt.Errorf("%s: %w", provider.ID, err)
	}
	facts, err := provider.Scheme.Facts()
	if err != nil {
		return err
	}
	known := slices.Sorted(maps.Keys(provider.With))
	for name := range s.with {
		switch {
		case len(known) == 0:
			return fmt.Errorf("--with %s: %s takes no parameters: leave it out", name, provider.ID)
		case !slices.Contains(known, name):
			return fmt.Errorf("--with %s: did you mean %s?", name, catalog.Nearest(name, known))
		}
	}
	for _, name := range facts.Parameters { // those of handshakes sign nothing
		if s.with[name] == "" {
			return fmt.Errorf("--with %s=VALUE is missing: %s", name, provider.With[name])
		}
	}
	return nil
}

// key returns the secret to sign with, a random one for a forgery.
func (s *send) key(form webhook.KeyForm) (webhook.Secret, error) {
	if s.forge {
		return webhook.ParseSecret("", rand.Text()+":"+rand.Text(), webhook.KeyText) // any bytes will do as the key, these also as user:password
	}
	given := slices.DeleteFunc([]string{s.secret, s.secretEnv, s.secretFile}, func(value string) bool { return value == "" })
	if len(given) != 1 {
		return webhook.Secret{}, errors.New("write one, and not an empty one, of --secret TEXT, --secret-env NAME and --secret-file PATH")
	}
	from, text := "--secret", s.secret
	switch {
	case s.secretEnv != "":
		from, text = "--secret-env "+s.secretEnv, os.Getenv(s.secretEnv)
	case s.secretFile != "":
		content, err := os.ReadFile(s.secretFile)
		if err != nil {
			return webhook.Secret{}, fmt.Errorf("--secret-file: %w", err)
		}
		// As Caddy reads {file.PATH}, so that one file serves both.
		from, text = "--secret-file "+s.secretFile, strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	}
	secret, err := webhook.ParseSecret("", text, form)
	if err != nil {
		return webhook.Secret{}, fmt.Errorf("%s: %w", from, err)
	}
	return secret, nil
}

func parseTarget(to string) (*url.URL, error) {
	u, err := url.Parse(to)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("--to %q: write the endpoint's address, such as http://localhost:8080/webhooks/saltare", to)
	}
	return u, nil
}
