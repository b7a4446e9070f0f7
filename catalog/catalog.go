// Package catalog describes how providers sign their webhooks: one YAML file
// each, embedded in the binary. A file holds facts, their sources, and test
// vectors; what a verifier does follows from it alone.
//
// A file is parsed when its provider is first asked for, so that the size of
// the catalogue costs nothing at start.
package catalog

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"go.yaml.in/yaml/v3"

	"github.com/hookpass/hookpass/webhook"
)

//go:embed providers/*.yaml
var files embed.FS

const folder = "providers/"

// ErrUnknownProvider is returned when the catalogue has no such provider. The
// message names the nearest one it has.
var ErrUnknownProvider = errors.New("unknown provider")

// ErrProviderFile is returned when a provider file is not usable. The message
// names the file and, where it can be told, the line.
var ErrProviderFile = errors.New("provider file")

// MinWindow is the shortest time for which deliveries are remembered by default.
const MinWindow = 24 * time.Hour

// Provider is what the catalogue knows of one provider. Its id is the name of
// its file.
type Provider struct {
	ID string `yaml:"-"`

	// The provider's name as it writes it.
	Name string `yaml:"name"`

	// What the provider is for: one lower-case word, such as payments.
	Category string `yaml:"category"`

	// The page that documents the signature, where there is a public one.
	Docs string `yaml:"docs"`

	// Where the user finds the secret, and what it looks like.
	Secret string `yaml:"secret"`

	// How deliveries are signed.
	Scheme webhook.Scheme `yaml:"scheme"`

	// The questions that are answered here.
	Handshakes []webhook.Handshake `yaml:"handshakes"`

	// Whether the provider demands that a refusal has no body.
	EmptyRefusal bool `yaml:"empty_refusal"`

	// How old a timestamp may be. Default: 5m.
	Tolerance Duration `yaml:"tolerance"`

	// The largest body the provider sends. Default: 1 MiB.
	MaxBody Size `yaml:"max_body"`

	// What the scheme's {with:NAME} stand for, by name.
	With map[string]string `yaml:"with"`

	// How the provider tries again.
	Retries Retries `yaml:"retries"`

	// What a user of this provider should know beyond all that: one sentence.
	Note string `yaml:"note"`

	// Deliveries with known signatures.
	Vectors []Vector `yaml:"vectors"`
}

// Retries is how a provider repeats a delivery that failed.
type Retries struct {
	// How long after the first attempt the last one comes. Zero: it never retries.
	For Duration `yaml:"for"`

	// The attempts, in words.
	Schedule string `yaml:"schedule"`

	// Whether a retry carries the timestamp of the first attempt. Where it does,
	// a tolerance shorter than For would refuse genuine retries.
	OriginalTimestamp bool `yaml:"original_timestamp"`
}

// Vector is a delivery whose signature is known to be right.
type Vector struct {
	// Where it was published, or what independent software computed it.
	Source string `yaml:"source"`

	Secret string            `yaml:"secret"`
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

// Duration is written like "5m" or "72h".
type Duration time.Duration

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

// IDs returns the ids of all providers, in alphabetical order.
func IDs() []string {
	names, err := fs.Glob(files, folder+"*.yaml")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for i, name := range names {
		names[i] = strings.TrimSuffix(strings.TrimPrefix(name, folder), ".yaml")
	}
	return names
}

// Lookup returns the provider of the given id. The error wraps
// [ErrUnknownProvider], or [ErrProviderFile] if its file is broken.
func Lookup(id string) (*Provider, error) {
	text, err := files.ReadFile(folder + id + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("%w %q: did you mean %q? It can also be described with a scheme block", ErrUnknownProvider, id, Nearest(id, IDs()))
	}
	return Parse(id, text)
}

// Parse reads a provider file. The error wraps [ErrProviderFile].
func Parse(id string, text []byte) (*Provider, error) {
	p := &Provider{ID: id}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(p); err != nil {
		return nil, fmt.Errorf("%w %s.yaml: %w", ErrProviderFile, id, err)
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("%w %s.yaml: %w", ErrProviderFile, id, err)
	}
	return p, nil
}

func (p *Provider) check() error {
	for word, text := range map[string]string{"name": p.Name, "category": p.Category, "secret": p.Secret} {
		if text == "" {
			return fmt.Errorf("%s is missing", word)
		}
	}
	facts, err := p.Scheme.Facts()
	if err != nil {
		return err
	}
	if p.Tolerance != 0 && !facts.HasTimestamp {
		return errors.New("tolerance without a timestamp in the scheme: remove it")
	}
	used := p.Parameters()
	for _, name := range used {
		if p.With[name] == "" {
			return fmt.Errorf("{with:%s} is used: say under with what it stands for", name)
		}
	}
	if len(p.With) != len(used) {
		return errors.New("with describes a parameter that nothing uses: remove it")
	}
	for _, h := range p.Handshakes {
		if _, err := webhook.NewResponder(h, nil, p.With); err != nil {
			return err
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
