package main

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

// signer returns what signs for the provider: its shared secret, a private key of the
// user's own, or for a forgery one that nobody has configured.
func (s *send) signer(provider *catalog.Provider) (*webhook.Signer, error) {
	if provider.Scheme.Key != webhook.KeyPublic {
		secret, err := s.key(provider.Scheme.Key)
		if err != nil {
			return nil, err
		}
		return webhook.NewSigner(provider.Scheme, secret, s.with)
	}
	private, err := s.privateKey(provider.Scheme)
	if err != nil {
		return nil, err
	}
	return webhook.NewKeySigner(provider.Scheme, private, s.with)
}

// checkKey finds what cannot be signed, whatever is given, and then what is missing.
func (s *send) checkKey(provider *catalog.Provider) error {
	public := provider.Scheme.Key == webhook.KeyPublic
	signable := provider.Scheme.Signable
	if public {
		signable = provider.Scheme.KeySignable
	}
	switch err := signable(); {
	case err != nil:
		return fmt.Errorf("%s: %w", provider.ID, err)
	case !public && s.testKey != "":
		return fmt.Errorf("--test-key: %s signs with a secret that you share with it: give that in place of a key", provider.ID)
	case public && s.given():
		return fmt.Errorf("%s signs with a private key, which it keeps: in place of a secret, write --test-key PATH", provider.ID)
	case public && s.testKey == "" && !s.forge:
		return fmt.Errorf("%s signs with a private key, which it keeps: write --test-key PATH, where one of your own is made, for a test", provider.ID)
	default:
		return nil
	}
}

func (s *send) privateKey(scheme webhook.Scheme) (crypto.Signer, error) {
	if s.forge {
		return scheme.NewTestKey()
	}
	text, err := os.ReadFile(s.testKey)
	if errors.Is(err, fs.ErrNotExist) {
		return s.makeKey(scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("--test-key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("--test-key: %s is no private key in PEM", s.testKey)
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	signer, is := private.(crypto.Signer)
	if err != nil || !is {
		return nil, fmt.Errorf("--test-key: %s is no private key in PKCS #8", s.testKey)
	}
	return signer, nil
}

// makeKey writes a new private key, and beside it the public one, and tells how an
// endpoint gets to know that.
func (s *send) makeKey(scheme webhook.Scheme) (crypto.Signer, error) {
	private, err := scheme.NewTestKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	public, err := webhook.PublicPEM(private)
	if err != nil {
		return nil, err
	}
	path, err := filepath.Abs(s.testKey)
	if err != nil {
		return nil, err
	}
	// A public key that is there belongs to another private one.
	err = create(path+".pub", []byte(public))
	if err == nil {
		err = create(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	if err != nil {
		return nil, fmt.Errorf("--test-key: %w", err)
	}
	_, err = fmt.Fprintf(s.progress, `A new private key is in %s.
Only an endpoint that has its public key takes what it signs. In the Caddyfile, in place
of the provider's own, and for a test alone:

	secret {file.%s.pub}

`, path, path)
	return private, err
}

// create writes a file for nobody else to read, which must not be there.
func create(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}
