package webhook

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

var sealed = map[string]Scheme{
	"Ed25519":       {Type: TypeEd25519, Key: KeyPublic, Signature: "header X-Sig", Encoding: "hex", Signed: "{timestamp}{body}", Timestamp: "header X-Time"},
	"ECDSA P-256":   {Type: TypeECDSA, Algorithm: "sha256", Key: KeyPublic, Signature: "header X-Sig", Encoding: "base64", Signed: "{body}"},
	"ECDSA P-384":   {Type: TypeECDSA, Algorithm: "sha384", Key: KeyPublic, Signature: "header X-Sig", Encoding: "base64", Signed: "{body}"},
	"ECDSA P-521":   {Type: TypeECDSA, Algorithm: "sha512", Key: KeyPublic, Signature: "header X-Sig", Encoding: "base64", Signed: "{body}"},
	"RSA":           {Type: TypeRSA, Algorithm: "sha256", Key: KeyPublic, Signature: "header X-Sig", Encoding: "base64", Signed: "{body}"},
	"RSA with SHA1": {Type: TypeRSA, Algorithm: "sha1", Key: KeyPublic, Signature: "header X-Sig", Encoding: "base64", Signed: "{body}"},
	"RSA-PSS":       {Type: TypeRSAPSS, Algorithm: "sha256", Key: KeyPublic, Signature: "header X-Sig", Encoding: "base64", Signed: "{body}"},

	"a message by Ed25519": {Type: TypeMessage, Algorithm: "ed25519|ecdsa-p256-sha256", Key: KeyPublic, Signature: "header Signature", Signed: "@target-uri content-digest", Timestamp: "claim created"},
	"a message by P-256":   {Type: TypeMessage, Algorithm: "ecdsa-p256-sha256", Key: KeyPublic, Signature: "header Signature", Signed: "@target-uri content-digest", DeliveryID: "claim nonce"},
	"a message by P-384":   {Type: TypeMessage, Algorithm: "ecdsa-p384-sha384", Key: KeyPublic, Signature: "header Signature", Signed: "@target-uri content-digest"},
	"a message by PSS":     {Type: TypeMessage, Algorithm: "rsa-pss-sha512", Key: KeyPublic, Signature: "header Signature", Signed: "@target-uri content-digest"},
	"a message by RSA":     {Type: TypeMessage, Algorithm: "rsa-v1_5-sha256", Key: KeyPublic, Signature: "header Signature", Signed: "@target-uri content-digest"},

	"a token by RS256": {Type: TypeJWT, Algorithm: "RS256|ES256", Key: KeyPublic, Signature: "header Authorization Bearer {signature}", Claims: "iss=acme|other hash={sha256:body} url={url}", Timestamp: "claim iat", DeliveryID: "claim jti", EventType: "claim data.type"},
	"a token by PS384": {Type: TypeJWT, Algorithm: "PS384", Key: KeyPublic, Signature: "header Authorization", Claims: "hash={sha256:body}"},
	"a token by ES512": {Type: TypeJWT, Algorithm: "ES512", Key: KeyPublic, Signature: "header Authorization", Claims: "hash={sha256:body}"},
	"a token by EdDSA": {Type: TypeJWT, Algorithm: "EdDSA", Key: KeyPublic, Signature: "header Authorization", Claims: "hash={sha256:body}"},
}

func TestATestKeySignsWhatItsPublicKeyVerifies(t *testing.T) {
	at := time.Unix(1767225600, 0)
	for name, s := range sealed {
		t.Run(name, func(t *testing.T) {
			private, err := s.NewTestKey()
			if err != nil {
				t.Fatal(err)
			}
			signer, err := NewKeySigner(s, private, nil)
			if err != nil {
				t.Fatal(err)
			}
			public, err := PublicPEM(private)
			if err != nil {
				t.Fatal(err)
			}
			secret, err := ParseSecret("", public, KeyPublic)
			if err != nil {
				t.Fatal(err)
			}
			v, err := NewVerifier(s, []Secret{secret}, time.Minute, nil)
			if err != nil {
				t.Fatal(err)
			}
			r := &Request{Method: http.MethodPost, URL: "https://a.example/in", Path: "/in", Header: http.Header{}, Body: []byte(`{"a":1}`)}
			if err := signer.Sign(r, "d-1", "created", at); err != nil {
				t.Fatal(err)
			}
			d, err := v.Verify(r, at)
			if err != nil {
				t.Fatalf("%v: %v", err, r.Header)
			}
			for place, pair := range map[string][2]string{s.DeliveryID: {d.ID, "d-1"}, s.EventType: {d.Event, "created"}} {
				if place != "" && pair[0] != pair[1] {
					t.Errorf("%s: %q, want %q", place, pair[0], pair[1])
				}
			}
			if s.Timestamp != "" && !d.Timestamp.Equal(at) {
				t.Errorf("signed at %s", d.Timestamp)
			}
			r.Body[2] ^= 1
			if _, err := v.Verify(r, at); !errors.Is(err, ErrSignatureMismatch) {
				t.Errorf("altered: %v", err)
			}
		})
	}
}

// A token with a shared key needs no other than the user's own.
func TestATokenIsMadeWithASharedKey(t *testing.T) {
	for name, s := range map[string]Scheme{
		"in a field":  {Type: TypeJWT, Algorithm: "HS256|HS512", Signature: "header Authorization", Claims: "hash={sha256:body}", Timestamp: "claim nbf"},
		"by HS512":    {Type: TypeJWT, Algorithm: "HS512", Signature: "header Authorization", Claims: "hash={sha256:body}", Timestamp: "claim nbf"},
		"as the body": {Type: TypeJWT, Algorithm: "HS384", Signature: "body", EventType: "claim state", Timestamp: "claim iat"},
	} {
		t.Run(name, func(t *testing.T) {
			at := time.Unix(1767225600, 0)
			secret, err := ParseSecret("", "short", KeyText)
			if err != nil {
				t.Fatal(err)
			}
			signer, err := NewSigner(s, secret, nil)
			if err != nil {
				t.Fatal(err)
			}
			v, err := NewVerifier(s, []Secret{secret}, time.Minute, nil)
			if err != nil {
				t.Fatal(err)
			}
			r := &Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte(`{"a":1}`)}
			if err := signer.Sign(r, "d-1", "created", at); err != nil {
				t.Fatal(err)
			}
			if d, err := v.Verify(r, at); err != nil || !d.Timestamp.Equal(at) || s.EventType != "" && d.Event != "created" {
				t.Errorf("%+v, %v: %v %s", d, err, r.Header, r.Body)
			}
			if _, err := v.Verify(r, at.Add(time.Hour)); !errors.Is(err, ErrTimestampTooOld) && !errors.Is(err, ErrClaimsInvalid) {
				t.Errorf("an hour later: %v", err)
			}
		})
	}
}

func TestWhereATestKeyIsOfNoUse(t *testing.T) {
	fetched := sealed["Ed25519"]
	fetched.Keys = "https://a.example/keys"
	for name, tt := range map[string]struct {
		scheme Scheme
		says   string
	}{
		"a shared secret":       {Scheme{Type: TypeHMAC, Algorithm: "sha256"}, "a private key is of no use to hmac"},
		"a token of one":        {Scheme{Type: TypeJWT, Algorithm: "HS256"}, "a private key is of no use to jwt"},
		"keys that are fetched": {fetched, "the keys are fetched"},
		"what Amazon signs":     {Scheme{Type: TypeSNS, Key: KeyPublic}, "a private key is of no use to aws-sns"},
		"a detached signature":  {Scheme{Type: TypeJWS, Algorithm: "ES256", Key: KeyPublic}, "a private key is of no use to jws"},
	} {
		_, err := tt.scheme.NewTestKey()
		if !errors.Is(err, ErrScheme) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	private, err := sealed["RSA"].NewTestKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewKeySigner(sealed["Ed25519"], private, nil); !errors.Is(err, ErrSecretEncoding) {
		t.Errorf("a key of another kind: %v", err)
	}
}
