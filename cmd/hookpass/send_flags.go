package main

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

const defaultEvent = "test"

// send is the command: its flags, and what it touches of the world.
type send struct {
	input            io.Reader
	output, progress io.Writer
	now              func() time.Time

	secretFlags
	to, event, id, data, print string
	with                       withFlags
	header                     http.Header
	testKey                    string
	sample, fresh              bool
	rate                       float64
	sleep                      func(time.Duration)
	started, told              time.Time // at a rate
	forge, stale               bool
	repeat                     int
	json, exact                bool // exact: a body that is given is signed as it is
	at                         timeFlag
}

func (s *send) flags() *flag.FlagSet {
	f := flag.NewFlagSet("send", flag.ContinueOnError)
	s.draftFlags(f)
	f.StringVar(&s.text, "secret", "", "The endpoint's secret, as the provider's dashboard shows it; other users of this machine can see it in the process list")
	f.StringVar(&s.to, "to", "", "The endpoint's address")
	f.BoolVar(&s.forge, "forge", false, "Sign with another, random secret")
	f.BoolVar(&s.stale, "stale", false, "Sign with a time that is older than the provider's tolerance")
	f.IntVar(&s.repeat, "repeat", 1, "How many times to send the same delivery, each signed at its time")
	f.BoolVar(&s.fresh, "fresh", false, "With --repeat, give each delivery an id of its own")
	f.Float64Var(&s.rate, "rate", 0, "With --repeat, how many deliveries a second, at most, one after another; what is told is then how it goes (default: as fast as they are answered)")
	f.BoolVar(&s.json, "json", false, "Print each exchange as a line of JSON")
	f.StringVar(&s.print, "print", "", "Print the delivery as a command instead of sending it: curl")
	return f
}

// draftFlags are those that say what is signed.
func (s *send) draftFlags(f *flag.FlagSet) {
	s.register(f)
	f.StringVar(&s.event, "event", "", "The event type (default: the one in --data, else "+defaultEvent+")")
	f.StringVar(&s.id, "id", "", "The delivery id (default: the one in --data, else a new UUID)")
	f.StringVar(&s.data, "data", defaultData, "The body: a JSON object, @PATH of a file, or - for standard input; a provider of forms gets "+defaultForm+" by default, one of batches "+defaultBatch)
	f.StringVar(&s.testKey, "test-key", "", "For a provider that signs with a private key, path of one of your own; a new one is made where there is none")
	f.BoolVar(&s.sample, "sample", false, "Send a delivery of the provider as the catalogue has it, in place of --data; its id stays the same")
	s.header = http.Header{}
	s.with = newWithFlags(f)
	f.Func("header", "A further header field, as 'NAME: VALUE'; repeatable", s.addHeader)
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
	case s.rate < 0:
		return fmt.Errorf("--rate %g: write how many a second, such as 50 or 0.5", s.rate)
	case s.fresh && s.id != "":
		return errors.New("--fresh gives each delivery an id of its own: leave --id out")
	case s.print != "" && s.print != "curl":
		return fmt.Errorf("--print %s: write curl", s.print)
	case s.stale && provider.MaxAge() == 0:
		return fmt.Errorf("--stale: %s signs no timestamp, so that its deliveries never are: leave it out", provider.ID)
	}
	if err := s.checkKey(provider); err != nil {
		return err
	}
	return s.with.check(provider)
}

// key returns the secret to sign with, a random one for a forgery.
func (s *send) key(form webhook.KeyForm) (webhook.Secret, error) {
	if s.forge {
		return webhook.ParseSecret("", rand.Text()+":"+rand.Text(), webhook.KeyText) // any bytes will do as the key, these also as user:password
	}
	return s.secret(form)
}

func parseTarget(to string) (*url.URL, error) {
	u, err := url.Parse(to)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("--to %q: write the endpoint's address, such as http://localhost:8080/webhooks/saltare", to)
	}
	return u, nil
}
