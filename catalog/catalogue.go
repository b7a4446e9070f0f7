package catalog

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

//go:embed providers/*.yaml
var files embed.FS

const (
	folder    = "providers/"
	extension = ".yaml"
)

// ErrUnknownProvider is returned when the catalogue has no such provider. The
// message names the nearest one it has.
var ErrUnknownProvider = errors.New("unknown provider")

// Catalogue is a set of providers: the built-in ones and, beside them, a user's
// own. The zero value holds the built-in ones alone.
type Catalogue struct {
	own    map[string]*Provider // by id and alias
	digest string
}

// Digest changes whenever one of the user's own files does. It is empty where
// there is no directory of them.
func (c Catalogue) Digest() string { return c.digest }

// Open returns a catalogue that holds the provider files of a directory, too.
// All of them are checked at once. The error wraps [ErrProviderFile] if one is
// not usable, or takes the name of another.
func Open(dir string) (Catalogue, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Catalogue{}, err
	}
	c := Catalogue{own: map[string]*Provider{}}
	contents := sha256.New()
	for _, entry := range entries {
		file := filepath.Join(dir, entry.Name())
		switch {
		case strings.HasPrefix(entry.Name(), "."):
			continue // left behind by an editor or a mounted volume
		case filepath.Ext(file) == ".yml":
			return Catalogue{}, fmt.Errorf("%w %s: its name must end in %s", ErrProviderFile, file, extension)
		case filepath.Ext(file) != extension:
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return Catalogue{}, err
		}
		p, err := Parse(file, text)
		if err != nil {
			return Catalogue{}, err
		}
		if err := c.add(p, file); err != nil {
			return Catalogue{}, err
		}
		contents.Write(fmt.Appendf(nil, "%s\x00%d\x00%s", p.ID, len(text), text))
	}
	c.digest = hex.EncodeToString(contents.Sum(nil))
	return c, nil
}

// add refuses a name that is taken: which of two files decides what is genuine
// must never depend on their order.
func (c Catalogue) add(p *Provider, file string) error {
	for _, name := range append([]string{p.ID}, p.Aliases...) {
		holder := ""
		if builtIn := canonical(name); builtIn != "" {
			holder = "the built-in " + folder + builtIn + extension
		} else if own := c.own[name]; own != nil {
			holder = filepath.Join(filepath.Dir(file), own.ID+extension)
		}
		if holder != "" {
			return fmt.Errorf("%w %s: the name %s belongs to %s: choose another", ErrProviderFile, file, name, holder)
		}
		c.own[name] = p
	}
	return nil
}

// Lookup returns the provider of the given id or alias. The error wraps
// [ErrUnknownProvider], [ErrUnsigned] if the provider is known to sign nothing,
// or [ErrProviderFile] if its file is broken.
func (c Catalogue) Lookup(name string) (*Provider, error) {
	if p := c.own[name]; p != nil {
		return p, nil
	}
	id := canonical(name)
	if id == "" {
		return nil, c.unknown(name)
	}
	text, err := files.ReadFile(folder + id + extension)
	if err != nil {
		return nil, err
	}
	return Parse(id+extension, text)
}

func (c Catalogue) unknown(name string) error {
	if u, ok := UnsignedProviders()[name]; ok {
		return fmt.Errorf("%s %w: %s %s See hookpass providers --why %s", u.Name, ErrUnsigned, u.Why, u.Instead, name)
	}
	known := slices.Concat(IDs(), slices.Sorted(maps.Keys(aliases())), slices.Sorted(maps.Keys(c.own)))
	return fmt.Errorf("%w %q: did you mean %q? It can also be described with a scheme block", ErrUnknownProvider, name, Nearest(name, known))
}

// IDs returns the ids of all built-in providers, in alphabetical order.
func IDs() []string {
	names, err := fs.Glob(files, folder+"*"+extension)
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for i, name := range names {
		names[i] = strings.TrimSuffix(strings.TrimPrefix(name, folder), extension)
	}
	slices.Sort(names) // the files' order is that of "a-b.yaml" before "a.yaml"
	return names
}

// Lookup returns the built-in provider of the given id or alias. Its errors are
// those of [Catalogue.Lookup].
func Lookup(name string) (*Provider, error) { return Catalogue{}.Lookup(name) }

// canonical returns the id of the built-in provider that name is the id or an
// alias of; empty if there is none.
func canonical(name string) string {
	if _, err := fs.Stat(files, folder+name+extension); err == nil {
		return name
	}
	return aliases()[name]
}

var aliases = sync.OnceValue(readAliases)

// readAliases returns the built-in providers' ids by their aliases. It reads
// their line alone: to parse all files would cost a start what a lookup by id
// avoids.
func readAliases() map[string]string {
	ids := map[string]string{}
	for _, id := range IDs() {
		text, err := files.ReadFile(folder + id + extension)
		if err != nil {
			panic(err) // IDs has just listed it
		}
		_, line, _ := bytes.Cut(text, []byte("\naliases: ["))
		list, _, _ := bytes.Cut(line, []byte("]"))
		for alias := range strings.FieldsFuncSeq(string(list), func(r rune) bool { return r == ',' || r == ' ' }) {
			ids[alias] = id
		}
	}
	return ids
}
