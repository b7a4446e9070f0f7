package webhook

import (
	"crypto"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// KeySource hands out the public keys that providers publish. It bounds how long
// it takes, and is safe for concurrent use.
type KeySource interface {
	// Keys returns the keys at an https URL. If id is not empty and none of them
	// has it, it has made sure that what it returns is recent. An error means that
	// nobody can tell now.
	Keys(url, id string) ([]jose.JSONWebKey, error)
}

// published is a method whose keys can be had from a [KeySource].
type published interface {
	// keyID returns the id of the key that the delivery names, if it does.
	keyID(e *evidence) string
	// bindAll makes those of the keys ready that fit, and returns nil if none does.
	bindAll(public []crypto.PublicKey) key
}

// keyURL is where the keys of a scheme are published.
type keyURL struct {
	named    *Place     // where the delivery names the URL; nil: there is one only
	patterns []template // of which one must match, as written by the scheme's author
	allowed  []*regexp.Regexp
	only     string
	source   KeySource
}

// parseKeyURL reads "https://example.com/jwks", or "header X-Cert-Url" and the
// patterns that the URL found there must match.
func parseKeyURL(text string) (*keyURL, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no URL is a valid answer: the key is the secret
	}
	k := &keyURL{}
	if !strings.HasPrefix(text, "https://") {
		where, rest := cutPlace(text)
		place, err := ParsePlace(where)
		if err != nil {
			return nil, err
		}
		k.named, text = &place, rest
	}
	for pattern := range strings.FieldsSeq(text) {
		t, err := parseTemplate(pattern)
		if err != nil {
			return nil, err
		}
		var b strings.Builder
		for _, s := range t {
			b.WriteString(s.text) // a parameter's name stands for its value here
			if s.kind != segmentLiteral && s.kind != segmentWith {
				return nil, fmt.Errorf("%w: keys %q: only {with:NAME} can be a part of the URL: the rest would be the sender's choice", ErrScheme, pattern)
			}
		}
		if filled := b.String(); !isHTTPS(filled) || !pinned(filled) {
			return nil, fmt.Errorf(`%w: keys %q: write a whole https URL, such as https://example.com/jwks, with a host that ends in a name without "*"`, ErrScheme, pattern)
		}
		k.patterns = append(k.patterns, t)
	}
	switch {
	case len(k.patterns) == 0:
		return nil, fmt.Errorf(`%w: keys: write which URLs are trusted, such as keys header X-Cert-Url https://example.com/certs/*`, ErrScheme)
	case k.named == nil && (len(k.patterns) > 1 || strings.Contains(text, "*")):
		return nil, fmt.Errorf("%w: keys %q: write one URL without *, or a place before it where a delivery names its URL", ErrScheme, text)
	}
	return k, nil
}

func isHTTPS(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
}

// pinned reports whether the last two labels of the host, and the beginning of
// the path, are fixed.
func pinned(pattern string) bool {
	host, path, _ := strings.Cut(strings.TrimPrefix(pattern, "https://"), "/")
	labels := strings.Split(host, ".")
	return !strings.Contains(strings.Join(labels[max(0, len(labels)-2):], "."), "*") && path != "*"
}

// templates returns all that parameters can be a part of.
func (k *keyURL) templates() template {
	if k == nil {
		return nil
	}
	return slices.Concat(k.patterns...)
}

func (k *keyURL) fill(with map[string]string) error {
	for _, pattern := range k.patterns {
		filled, err := pattern.fill(with)
		if err != nil {
			return err
		}
		var whole strings.Builder
		for _, s := range filled {
			whole.WriteString(s.text)
		}
		k.only = whole.String()
		if !isHTTPS(k.only) {
			return fmt.Errorf("%w: keys %q is no https URL: correct the with parameters", ErrScheme, k.only)
		}
		// Nothing that separates parts of a URL can hide behind the star.
		expression := strings.ReplaceAll(regexp.QuoteMeta(k.only), `\*`, "[A-Za-z0-9_-]+")
		k.allowed = append(k.allowed, regexp.MustCompile("^"+expression+"$"))
	}
	return nil
}

var errNoSource = errors.New("no source of keys is set")

// keys returns those keys that the delivery can be signed with.
func (k *keyURL) keys(r *Request, id string, now time.Time) ([]crypto.PublicKey, error) {
	address := k.only
	if k.named != nil {
		var err error
		if address, err = k.named.Value(r); err != nil || !k.trusts(address) {
			return nil, fmt.Errorf("%w: the URL that it names is none of the provider's", ErrKeyUntrusted)
		}
	}
	if k.source == nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyUnavailable, errNoSource)
	}
	found, err := k.source.Keys(address, id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyUnavailable, err)
	}
	var public []crypto.PublicKey
	for _, key := range found {
		if id == "" || key.KeyID == id {
			if certificates := key.Certificates; len(certificates) == 0 || !now.Before(certificates[0].NotBefore) && !now.After(certificates[0].NotAfter) {
				public = append(public, key.Key)
			}
		}
	}
	if len(public) == 0 {
		return nil, fmt.Errorf("%w: there is no key of that id, or its certificate is out of date", ErrKeyUntrusted)
	}
	return public, nil
}

func (k *keyURL) trusts(address string) bool {
	for _, pattern := range k.allowed {
		if pattern.MatchString(address) {
			return true
		}
	}
	return false
}

// fetchedKey stands for the key that a delivery turns out to need.
type fetchedKey struct {
	method published
	url    *keyURL
}

func (f fetchedKey) proves(t template, r *Request, e *evidence) (bool, error) {
	public, err := f.url.keys(r, f.method.keyID(e), e.now)
	if err != nil {
		return false, err
	}
	k := f.method.bindAll(public)
	if k == nil {
		return false, fmt.Errorf("%w: it is not for the scheme's algorithm", ErrKeyUntrusted)
	}
	return k.proves(t, r, e)
}
