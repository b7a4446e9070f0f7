package webhook_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/hookpass/hookpass/keyfetch"
	"github.com/hookpass/hookpass/webhook"
)

// published is what a provider answers whoever asks for its keys, and before that
// for a token.
type published string

func (p published) RoundTrip(r *http.Request) (*http.Response, error) {
	text := string(p)
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		text = `{"access_token":"example"}`
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(text))}, nil
}

// source reads the answers as hookpass does.
type source struct{ *keyfetch.Cache }

func publishedAs(text string) source { return source{keyfetch.New(published(text), nil)} }

func (s source) Keys(r webhook.KeyRequest, id string) ([]jose.JSONWebKey, error) {
	return s.Cache.Keys(keyfetch.Request(r), id)
}

// otherKeys are of the same kinds and ids as the genuine ones.
type otherKeys struct {
	t       *testing.T
	genuine source
}

func (o otherKeys) Keys(r webhook.KeyRequest, id string) ([]jose.JSONWebKey, error) {
	keys, err := o.genuine.Keys(r, id)
	var others []jose.JSONWebKey
	for _, key := range keys {
		others = append(others, jose.JSONWebKey{Key: o.other(key.Key), KeyID: key.KeyID})
	}
	return others, err
}

func (o otherKeys) other(public crypto.PublicKey) crypto.PublicKey {
	var private crypto.Signer
	var err error
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		private, err = ecdsa.GenerateKey(public.Curve, rand.Reader)
	case *rsa.PublicKey:
		private, err = rsa.GenerateKey(rand.Reader, public.N.BitLen())
	case ed25519.PublicKey:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no other key like a %T", public)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return private.Public()
}
