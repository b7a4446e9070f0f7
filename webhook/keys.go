package webhook

import (
	"crypto"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// KeySource hands out the public keys that providers publish. It bounds how long
// it takes, and is safe for concurrent use.
type KeySource interface {
	// Keys returns the keys that answer a request. If id is not empty and none of
	// them has it, it has made sure that what it returns is recent. An error means
	// that nobody can tell now.
	Keys(r KeyRequest, id string) ([]jose.JSONWebKey, error)
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
	*pinnedURL
	idAtEnd bool   // of the URL stands the id of the key
	id      *Place // where the delivery names the key; nil: inside of what proves it, or nowhere
	path    string // in the answer
	access  access
	request func(address, id string) KeyRequest
	source  KeySource
}

// parseKeys compiles the words about published keys.
func (s Scheme) parseKeys() (*keyURL, error) {
	if s.Keys == "" {
		for word, text := range map[string]string{"key_id": s.KeyID, "key_path": s.KeyPath, "key_request": s.KeyRequest} {
			if text != "" {
				return nil, &SchemeError{word, fmt.Errorf("%w: %s is about published keys: write keys, too, or remove it", ErrScheme, word)}
			}
		}
		return nil, nil //nolint:nilnil // no URL is a valid answer: the key is the secret
	}
	k, err := parseKeyURL(s.Keys)
	if err != nil {
		return nil, &SchemeError{"keys", err}
	}
	if k.id, err = optionalPlace("key_id", s.KeyID, ParsePlace); err != nil {
		return nil, &SchemeError{"key_id", err}
	}
	if s.KeyPath != "" {
		answer, err := ParsePlace("body " + s.KeyPath)
		if err != nil {
			return nil, &SchemeError{"key_path", fmt.Errorf("%w: key_path %q: write the path of the key in the answer, such as data.publicKey", ErrScheme, s.KeyPath)}
		}
		k.path = answer.names[0]
	}
	if k.access, err = parseAccess(s.KeyRequest); err != nil {
		return nil, &SchemeError{"key_request", err}
	}
	if k.byID() && k.id == nil && !slices.Contains([]string{TypeJWT, TypeJWS, TypeMessage}, s.Type) {
		return nil, &SchemeError{"key_id", fmt.Errorf("%w: {key_id} is asked for: write where deliveries have it, such as key_id header X-Key-Id", ErrScheme)}
	}
	return k, nil
}

func parseKeyURL(text string) (*keyURL, error) {
	k := &keyURL{}
	var err error
	text, k.idAtEnd = strings.CutSuffix(text, keyIDText)
	if k.pinnedURL, err = parsePinnedURL("keys", text); err != nil {
		return nil, err
	}
	const slashes = 3 // of which the last one ends the host
	if k.idAtEnd && (k.named != nil || strings.Count(text, "/") < slashes) {
		return nil, fmt.Errorf("%w: keys %q: {key_id} ends the path of one URL, such as https://example.com/keys/{key_id}", ErrScheme, text+keyIDText)
	}
	return k, nil
}

// byID reports whether a request is for one key alone.
func (k *keyURL) byID() bool { return k.idAtEnd || k.access.byID }

// templates returns all that parameters can be a part of.
func (k *keyURL) templates() template {
	if k == nil {
		return nil
	}
	return slices.Concat(slices.Concat(k.access.values, k.patterns)...)
}

func (k *keyURL) fill(with map[string]string) (err error) {
	if k.request, err = k.access.fill(k.path, with); err != nil {
		return err
	}
	return k.pinnedURL.fill(with)
}

// possibleID is what a key's id must be to be asked for: nothing that separates
// parts of a URL or of JSON.
var possibleID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// keyID returns the id of the key that the delivery names, be it inside of what
// proves it, as in a token's header. An empty one stands for every key.
func (k *keyURL) keyID(r *Request, inside string) (id string, err error) {
	if id = inside; k.id != nil {
		if id, err = k.id.Value(r); err != nil || id == "" {
			return "", fmt.Errorf("%w: it does not name one key", ErrSignatureMalformed)
		}
	}
	if k.byID() && !possibleID.MatchString(id) {
		return "", fmt.Errorf("%w: it names no key, or none that there can be", ErrSignatureMalformed)
	}
	return id, nil
}

var errNoSource = errors.New("no source of keys is set")

// keys returns those keys that the delivery can be signed with.
func (k *keyURL) keys(r *Request, id string, now time.Time) ([]crypto.PublicKey, error) {
	address, trusted := k.address(r)
	if !trusted {
		return nil, fmt.Errorf("%w: the URL that it names is none of the provider's", ErrKeyUntrusted)
	}
	if k.source == nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyUnavailable, errNoSource)
	}
	if k.idAtEnd {
		address += id
	}
	among := id
	if k.byID() {
		among = "" // what is asked for may come without its id
	}
	found, err := k.source.Keys(k.request(address, id), among)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyUnavailable, err)
	}
	var public []crypto.PublicKey
	for _, key := range found {
		if id == "" || key.KeyID == id || key.KeyID == "" && k.byID() {
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

// fetchedKey stands for the key that a delivery turns out to need.
type fetchedKey struct {
	method published
	url    *keyURL
}

func (f fetchedKey) proves(t template, r *Request, e *evidence) (bool, error) {
	id, err := f.url.keyID(r, f.method.keyID(e))
	if err != nil {
		return false, err
	}
	public, err := f.url.keys(r, id, e.now)
	if err != nil {
		return false, err
	}
	k := f.method.bindAll(public)
	if k == nil {
		return false, fmt.Errorf("%w: it is not for the scheme's algorithm", ErrKeyUntrusted)
	}
	return k.proves(t, r, e)
}
