package webhook

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
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
	*pinnedURL
	source KeySource
}

func parseKeyURL(text string) (*keyURL, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no URL is a valid answer: the key is the secret
	}
	p, err := parsePinnedURL("keys", text)
	return &keyURL{pinnedURL: p}, err
}

// templates returns all that parameters can be a part of.
func (k *keyURL) templates() template {
	if k == nil {
		return nil
	}
	return slices.Concat(k.patterns...)
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
