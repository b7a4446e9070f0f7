package webhook

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// pinnedURL is a URL to be asked: a fixed one, or one that a delivery names, as
// far as the scheme's author trusts such.
type pinnedURL struct {
	named    *Place     // where the delivery names the URL; nil: there is one only
	patterns []template // of which one must match, as written by the scheme's author
	allowed  []*regexp.Regexp
	only     string
}

// parsePinnedURL reads, for the given word, "https://example.com/jwks", or "header
// X-Cert-Url" and the patterns that the URL found there must match.
func parsePinnedURL(word, text string) (*pinnedURL, error) {
	p := &pinnedURL{}
	if !strings.HasPrefix(text, "https://") {
		where, rest := cutPlace(text)
		place, err := ParsePlace(where)
		if err != nil {
			return nil, err
		}
		p.named, text = &place, rest
	}
	for pattern := range strings.FieldsSeq(text) {
		t, err := parseOwnText(word, pattern)
		if err != nil {
			return nil, err
		}
		// A parameter's name stands for its value here.
		if filled := t.text(); !isHTTPS(filled) || !fixesHost(filled) {
			return nil, fmt.Errorf(`%w: %s %q: write a whole https URL, such as https://example.com/jwks, with a host that ends in a name without "*"`, ErrScheme, word, pattern)
		}
		p.patterns = append(p.patterns, t)
	}
	switch {
	case len(p.patterns) == 0:
		return nil, fmt.Errorf(`%w: %s: write which URLs are trusted, such as %[2]s header X-Cert-Url https://example.com/certs/*`, ErrScheme, word)
	case p.named == nil && (len(p.patterns) > 1 || strings.Contains(text, "*")):
		return nil, fmt.Errorf("%w: %s %q: write one URL without *, or a place before it where a delivery names its URL", ErrScheme, word, text)
	}
	return p, nil
}

func isHTTPS(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
}

// fixesHost reports whether the last two labels of the host, and the beginning
// of the path, are fixed.
func fixesHost(pattern string) bool {
	host, path, _ := strings.Cut(strings.TrimPrefix(pattern, "https://"), "/")
	labels := strings.Split(host, ".")
	return !strings.Contains(strings.Join(labels[max(0, len(labels)-2):], "."), "*") && path != "*"
}

func (p *pinnedURL) fill(with map[string]string) error {
	for _, pattern := range p.patterns {
		filled, err := pattern.fill(with)
		if err != nil {
			return err
		}
		p.only = filled.text()
		if !isHTTPS(p.only) {
			return fmt.Errorf("%w: %q is no https URL: correct the with parameters", ErrScheme, p.only)
		}
		// Nothing that separates parts of a URL can hide behind the star.
		expression := strings.ReplaceAll(regexp.QuoteMeta(p.only), `\*`, "[A-Za-z0-9_-]+")
		p.allowed = append(p.allowed, regexp.MustCompile("^"+expression+"$"))
	}
	return nil
}

// address returns the URL to ask for a delivery, and whether it is trusted.
func (p *pinnedURL) address(r *Request) (string, bool) {
	if p.named == nil {
		return p.only, true
	}
	named, err := p.named.Value(r)
	return named, err == nil && slices.ContainsFunc(p.allowed, func(pattern *regexp.Regexp) bool { return pattern.MatchString(named) })
}
