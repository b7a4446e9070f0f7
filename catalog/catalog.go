// Package catalog describes how providers sign their webhooks: one YAML file
// each, embedded in the binary. A file holds facts, their sources, and test
// vectors; what a verifier does follows from it alone.
//
// A file is parsed when its provider is first asked for, so that the size of
// the catalogue costs nothing at start.
package catalog

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"go.yaml.in/yaml/v3"

	"github.com/hookpass/hookpass/webhook"
)

// MinWindow is the shortest time for which deliveries are remembered by default.
const MinWindow = 24 * time.Hour

// Provider is what the catalogue knows of one provider. Its id is the name of
// its file.
type Provider struct {
	ID string `yaml:"-" json:"id"`

	// Other names under which users may know it.
	Aliases []string `yaml:"aliases" json:"aliases,omitempty"`

	// The provider's name as it writes it.
	Name string `yaml:"name" json:"name"`

	// What the provider is for: one lower-case word, such as payments.
	Category string `yaml:"category" json:"category"`

	// The page that documents the signature, where there is a public one.
	Docs string `yaml:"docs" json:"docs,omitempty"`

	// Where the user finds the secret, and what it looks like.
	Secret string `yaml:"secret" json:"secret"`

	// How deliveries are signed.
	Scheme webhook.Scheme `yaml:"scheme" json:"scheme"`

	// The questions that are answered here.
	Handshakes []webhook.Handshake `yaml:"handshakes" json:"handshakes,omitempty"`

	// The place of a token in a request that comes once, unsigned, and that the user
	// has to give back by hand: "hookpass listen" prints it. Empty if there is none.
	Listen string `yaml:"listen" json:"listen,omitempty"`

	// Whether the provider demands that a refusal has no body.
	EmptyRefusal bool `yaml:"empty_refusal" json:"empty_refusal,omitempty"`

	// The answer that the provider takes for a delivery received. Default: 200 with
	// any body will do.
	Received Received `yaml:"received" json:"received,omitzero"`

	// "off" where deliveries have no id and genuine ones may look alike, so that
	// copies cannot be told from events. Default: copies are told by the id, or,
	// where there is none, by the body.
	Dedup string `yaml:"dedup" json:"dedup,omitempty"`

	// How old a timestamp may be. Default: 5m.
	Tolerance Duration `yaml:"tolerance" json:"tolerance,omitzero"`

	// The largest body the provider sends. Default: 1 MiB.
	MaxBody Size `yaml:"max_body" json:"max_body,omitzero"`

	// What the scheme's {with:NAME} stand for, by name.
	With map[string]string `yaml:"with" json:"with,omitempty"`

	// How the provider tries again.
	Retries Retries `yaml:"retries" json:"retries,omitzero"`

	// What a user of this provider should know beyond all that: one sentence.
	Note string `yaml:"note" json:"note,omitempty"`

	// Deliveries with known signatures.
	Vectors []Vector `yaml:"vectors" json:"-"`
}

// Received is the answer to a delivery that a provider insists on. Zero values:
// it does not.
type Received struct {
	Status int    `yaml:"status" json:"status,omitempty"`
	Text   string `yaml:"text" json:"text,omitempty"`
}

// Retries is how a provider repeats a delivery that failed.
type Retries struct {
	// How long after the first attempt the last one comes. Zero: it never retries.
	For Duration `yaml:"for" json:"for,omitzero"`

	// The attempts, in words.
	Schedule string `yaml:"schedule" json:"schedule,omitempty"`

	// Whether a retry carries the timestamp of the first attempt. Where it does,
	// a tolerance shorter than For would refuse genuine retries.
	OriginalTimestamp bool `yaml:"original_timestamp" json:"original_timestamp,omitempty"`
}

// Vector is a delivery whose signature is known to be right.
type Vector struct {
	// Where it was published, or what independent software computed it.
	Source string `yaml:"source"`

	Secret string            `yaml:"secret"`
	Keys   string            `yaml:"keys"` // what is published, where the keys are fetched: a JWKS, or PEM
	With   map[string]string `yaml:"with"`
	Method string            `yaml:"method"`
	URL    string            `yaml:"url"`
	Header map[string]string `yaml:"header"`
	Body   string            `yaml:"body"`

	// When it was sent. Needed where the scheme has a timestamp.
	Time time.Time `yaml:"time"`

	// What the delivery must be found to say.
	DeliveryID string `yaml:"delivery_id"`
	Event      string `yaml:"event"`
}

// Published reports whether the vector is one that the provider shows to
// everybody; if not, independent software computed it.
func (v Vector) Published() bool { return strings.HasPrefix(v.Source, "https://") }

// Duration is written like "5m" or "72h".
type Duration time.Duration

// String writes d as a provider file does, without the units that are zero.
func (d Duration) String() string {
	text := time.Duration(d).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// MarshalText writes d as String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalYAML reads a duration as time.ParseDuration does.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := time.ParseDuration(node.Value)
	if err != nil || parsed <= 0 {
		return fmt.Errorf("line %d: %q is no duration: write one like 5m or 72h", node.Line, node.Value)
	}
	*d = Duration(parsed)
	return nil
}

// Size is a number of bytes, written like "25MiB".
type Size int64

// String writes s with its unit.
func (s Size) String() string {
	switch {
	case s%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", s>>20)
	case s%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", s>>10)
	default:
		return fmt.Sprintf("%dB", int64(s))
	}
}

// MarshalText writes s as String does.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalYAML reads a size with its unit.
func (s *Size) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := humanize.ParseBytes(node.Value)
	if err != nil || parsed == 0 || parsed > math.MaxInt64 {
		return fmt.Errorf("line %d: %q is no size: write one like 25MiB", node.Line, node.Value)
	}
	*s = Size(parsed)
	return nil
}

// MaxAge is how old a timestamp may be by default: it spans the retries where
// those carry the first attempt's timestamp. Zero if there is no timestamp.
func (p *Provider) MaxAge() time.Duration {
	facts, err := p.Scheme.Facts()
	if err != nil || !facts.HasTimestamp {
		return 0
	}
	tolerance := time.Duration(p.Tolerance)
	if tolerance == 0 {
		tolerance = webhook.DefaultTolerance
	}
	if p.Retries.OriginalTimestamp {
		tolerance = max(tolerance, time.Duration(p.Retries.For))
	}
	return tolerance
}

// Window is how long deliveries are remembered by default: as long as the
// provider retries, and at least as long as a timestamp lets a copy through.
func (p *Provider) Window() time.Duration {
	return max(MinWindow, time.Duration(p.Retries.For), p.MaxAge()+webhook.MaxFuture)
}

// An id is a part of paths, metrics and environment variables.
var validID = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func (p *Provider) check() error {
	for word, text := range map[string]string{"name": p.Name, "category": p.Category, "secret": p.Secret} {
		if text == "" {
			return &fault{word, errors.New(word + " is missing")}
		}
	}
	for _, name := range append([]string{p.ID}, p.Aliases...) {
		if !validID.MatchString(name) {
			return &fault{"aliases", fmt.Errorf("%q is no provider's name: write lower-case letters, digits and dashes", name)}
		}
	}
	facts, err := p.Scheme.Facts()
	if err != nil {
		return err
	}
	if p.Tolerance != 0 && !facts.HasTimestamp {
		return &fault{"tolerance", errors.New("tolerance without a timestamp in the scheme: remove it")}
	}
	if status := p.Received.Status; status != 0 && (status < 200 || status > 299) {
		return &fault{"received", fmt.Errorf("received status %d: write one of success, such as 204", status)}
	}
	if p.Dedup != "" && (p.Dedup != "off" || facts.HasID) {
		return errors.New(`dedup: write "off", and only where the scheme has no delivery_id`)
	}
	used := p.Parameters()
	for _, name := range used {
		if p.With[name] == "" {
			return &fault{"with", fmt.Errorf("{with:%s} is used: say under with what it stands for", name)}
		}
	}
	if len(p.With) != len(used) {
		return &fault{"with", errors.New("with describes a parameter that nothing uses: remove it")}
	}
	if p.Listen != "" {
		if _, err := webhook.ParsePlace(p.Listen); err != nil {
			return &fault{"listen", err}
		}
	}
	for _, h := range p.Handshakes {
		if _, err := webhook.NewResponder(h, nil, p.With); err != nil {
			return &fault{"handshakes", err}
		}
	}
	return nil
}

// Parameters returns the names of {with:NAME} in the scheme and the handshakes,
// in alphabetical order.
func (p *Provider) Parameters() []string {
	var names []string
	if facts, err := p.Scheme.Facts(); err == nil {
		names = append(names, facts.Parameters...)
	}
	for _, h := range p.Handshakes {
		names = append(names, h.Parameters()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
