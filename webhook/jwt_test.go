package webhook

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"
)

// bearer is a scheme whose token is in a header and vouches for the body.
func bearer(algorithm string, key KeyForm) Scheme {
	return Scheme{
		Type: TypeJWT, Algorithm: algorithm, Key: key,
		Signature: "header Authorization Bearer {signature}", Claims: "body={sha256:body}",
	}
}

const emptyJSON = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // SHA-256 of {}

func bearing(token string) *Request {
	return &Request{
		URL: "https://hooks.example.com/in?a=1", Body: []byte("{}"),
		Header: http.Header{"Authorization": {"Bearer " + token}},
	}
}

// sign writes a token as RFC 7515 section 3.1 says, whatever its algorithm.
func signToken(header, claims string, sign func(input []byte) []byte) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return input + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(input)))
}

func hs256(key, claims string) string {
	return signToken(`{"alg":"HS256"}`, claims, func(input []byte) []byte {
		mac := hmac.New(crypto.SHA256.New, []byte(key))
		mac.Write(input)
		return mac.Sum(nil)
	})
}

func TestPublishedTokens(t *testing.T) {
	const joe = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	for _, tt := range []struct {
		name, algorithm string
		form            KeyForm
		key, token      string
	}{
		{
			"RFC 7515 section A.1", "HS256", KeyBase64,
			"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
			"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + joe + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
		},
		{
			"RFC 7515 section A.3", "ES256", KeyPublic,
			`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
			"eyJhbGciOiJFUzI1NiJ9." + joe + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := bearer(tt.algorithm, tt.form)
			s.Claims = "iss=joe"
			v := mustVerifier(t, s, nil, mustSecret(t, tt.key, tt.form))
			if _, err := v.Verify(bearing(tt.token), time.Unix(1300819380, 0)); err != nil {
				t.Error(err)
			}
			if _, err := v.Verify(bearing(tt.token), time.Unix(1300819380, 0).Add(DefaultTolerance+time.Second)); !errors.Is(err, ErrClaimsInvalid) {
				t.Errorf("expired: %v", err)
			}
		})
	}
}

// Each algorithm takes what its own key signs, and no other algorithm does.
func TestTokenAlgorithms(t *testing.T) {
	type pair struct {
		public crypto.PublicKey
		sign   func(hash crypto.Hash, pss bool, input []byte) []byte
	}
	digest := func(hash crypto.Hash, input []byte) []byte {
		h := hash.New()
		h.Write(input)
		return h.Sum(nil)
	}
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	rsaPair := pair{rsaKey.Public(), func(hash crypto.Hash, pss bool, input []byte) []byte {
		if pss {
			return must(rsa.SignPSS(rand.Reader, rsaKey, hash, digest(hash, input), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return must(rsa.SignPKCS1v15(nil, rsaKey, hash, digest(hash, input)))
	}}
	onCurve := func(curve elliptic.Curve) pair {
		key := must(ecdsa.GenerateKey(curve, rand.Reader))
		return pair{key.Public(), func(hash crypto.Hash, _ bool, input []byte) []byte {
			r, s, err := ecdsa.Sign(rand.Reader, key, digest(hash, input))
			if err != nil {
				t.Fatal(err)
			}
			size := (curve.Params().BitSize + 7) / 8
			out := make([]byte, 2*size)
			r.FillBytes(out[:size])
			s.FillBytes(out[size:])
			return out
		}}
	}
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPair := pair{edPublic, func(_ crypto.Hash, _ bool, input []byte) []byte { return ed25519.Sign(edKey, input) }}
	p256, p384, p521 := onCurve(elliptic.P256()), onCurve(elliptic.P384()), onCurve(elliptic.P521())

	rows := []struct {
		algorithm string
		hash      crypto.Hash
		pss       bool
		pair      pair
	}{
		{"RS256", crypto.SHA256, false, rsaPair},
		{"RS384", crypto.SHA384, false, rsaPair},
		{"RS512", crypto.SHA512, false, rsaPair},
		{"PS256", crypto.SHA256, true, rsaPair},
		{"PS384", crypto.SHA384, true, rsaPair},
		{"PS512", crypto.SHA512, true, rsaPair},
		{"ES256", crypto.SHA256, false, p256},
		{"ES384", crypto.SHA384, false, p384},
		{"ES512", crypto.SHA512, false, p521},
		{"EdDSA", 0, false, edPair},
	}
	for _, tt := range rows {
		token := signToken(fmt.Sprintf(`{"alg":%q,"typ":"JWT"}`, tt.algorithm), `{"body":"`+emptyJSON+`"}`, func(input []byte) []byte {
			return tt.pair.sign(tt.hash, tt.pss, input)
		})
		secret := publicSecret(t, tt.pair.public)
		for _, other := range rows {
			v, err := NewVerifier(bearer(other.algorithm, KeyPublic), []Secret{secret}, 0, nil)
			if fmt.Sprintf("%T", other.pair.public) != fmt.Sprintf("%T", tt.pair.public) || isEC(tt.pair.public) && other.algorithm != tt.algorithm {
				if !errors.Is(err, ErrSecretEncoding) {
					t.Errorf("%s takes the key of %s: %v", other.algorithm, tt.algorithm, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			want := ErrSignatureMalformed
			if other.algorithm == tt.algorithm {
				want = nil
			}
			if _, err := v.Verify(bearing(token), arrival); !errors.Is(err, want) {
				t.Errorf("%s under %s: %v, want %v", tt.algorithm, other.algorithm, err, want)
			}
		}
	}
}

func isEC(public crypto.PublicKey) bool { _, is := public.(*ecdsa.PublicKey); return is }

// A public key is no secret: what is signed with its text as a shared key must
// not pass, whatever the token says of itself.
func TestTokenAlgorithmConfusion(t *testing.T) {
	public := spki(t, must(rsa.GenerateKey(rand.Reader, 2048)).Public())
	text := base64.StdEncoding.EncodeToString(public)
	v := mustVerifier(t, bearer("RS256|ES256", KeyPublic), nil, mustSecret(t, text, KeyPublic))
	claims := `{"body":"` + emptyJSON + `"}`
	for name, token := range map[string]string{
		"HS256 under the key's text":  hs256(text, claims),
		"HS256 under the key's bytes": hs256(string(public), claims),
		"none":                        signToken(`{"alg":"none"}`, claims, func([]byte) []byte { return nil }),
		"no algorithm":                signToken(`{}`, claims, func([]byte) []byte { return []byte("x") }),
	} {
		if _, err := v.Verify(bearing(token), arrival); !errors.Is(err, ErrSignatureMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}

	attacker := must(rsa.GenerateKey(rand.Reader, 2048))
	n, e := base64.RawURLEncoding.EncodeToString(attacker.N.Bytes()), "AQAB"
	own := signToken(`{"alg":"RS256","jwk":{"kty":"RSA","n":"`+n+`","e":"`+e+`"}}`, claims, func(input []byte) []byte {
		h := crypto.SHA256.New()
		h.Write(input)
		return must(rsa.SignPKCS1v15(nil, attacker, crypto.SHA256, h.Sum(nil)))
	})
	if _, err := v.Verify(bearing(own), arrival); !errors.Is(err, ErrSignatureMismatch) {
		t.Errorf("key inside the token: %v", err)
	}
}

func TestTokenClaims(t *testing.T) {
	at := arrival.Unix()
	s := Scheme{
		Type: TypeJWT, Algorithm: "HS256", Signature: "header Authorization Bearer {signature}",
		Claims:     "iss=acme|https://acme.example aud={with:audience} body={sha256_base64:body} url={sha256:url} ok=true",
		Timestamp:  "claim iat",
		DeliveryID: "claim jti", EventType: "claim data.type",
	}
	right := map[string]string{
		"iss": `"acme"`, "aud": `"hooks"`, "ok": "true", "iat": fmt.Sprint(at), "jti": `"d-1"`, "data": `{"type":"paid"}`,
		"body": `"RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="`,
		"url":  `"becb8181a16c543d3ee4bd203401b2d60621006f10df21bba470da42639ead75"`,
	}
	for _, tt := range []struct {
		name, claim, value string
		want               error
	}{
		{"as it should be", "", "", nil},
		{"another accepted issuer", "iss", `"https://acme.example"`, nil},
		{"another issuer", "iss", `"acme2"`, ErrClaimsInvalid},
		{"no issuer", "iss", "", ErrClaimsInvalid},
		{"issuer that is an object", "iss", `{"acme":1}`, ErrClaimsInvalid},
		{"audience in a list", "aud", `["other","hooks"]`, nil},
		{"audience of others", "aud", `["other"]`, ErrClaimsInvalid},
		{"no audience", "aud", `[]`, ErrClaimsInvalid},
		{"boolean that is false", "ok", "false", ErrClaimsInvalid},
		{"digest of another body", "body", `"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="`, ErrSignatureMismatch},
		{"no digest of the body", "body", "", ErrSignatureMismatch},
		{"another URL", "url", `"` + emptyJSON + `"`, ErrSignatureMismatch},
		{"just not expired", "exp", fmt.Sprint(at - 300), nil},
		{"expired", "exp", fmt.Sprint(at - 301), ErrClaimsInvalid},
		{"expiry that is a text", "exp", `"2099"`, ErrClaimsInvalid},
		{"expiry beyond any time", "exp", "1e30", ErrClaimsInvalid},
		{"expiry that is negative", "exp", "-1", ErrClaimsInvalid},
		{"expiry of the last time that there is", "exp", "1099511627776", nil},
		{"expiry behind it", "exp", "1099511627777", ErrClaimsInvalid},
		{"beginning that is a text", "nbf", `"2000"`, ErrClaimsInvalid},
		{"beginning that is negative", "nbf", "-1", ErrClaimsInvalid},
		{"beginning beyond any time", "nbf", "1e30", ErrClaimsInvalid},
		{"valid since 1970", "nbf", "0", nil},
		{"just valid", "nbf", fmt.Sprint(at + 300), nil},
		{"not yet valid", "nbf", fmt.Sprint(at + 301), ErrClaimsInvalid},
		{"time with a fraction", "iat", fmt.Sprint(at) + ".25", nil},
		{"too old", "iat", fmt.Sprint(at - 301), ErrTimestampTooOld},
		{"too new", "iat", fmt.Sprint(at + 301), ErrTimestampTooNew},
		{"no time", "iat", "", ErrTimestampMissing},
		{"time that is no number", "iat", `"soon"`, ErrTimestampMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			for name, value := range right {
				if name == tt.claim {
					continue
				}
				fmt.Fprintf(&b, "%q:%s,", name, value)
			}
			if tt.value != "" {
				fmt.Fprintf(&b, "%q:%s,", tt.claim, tt.value)
			}
			token := hs256("key", "{"+strings.TrimSuffix(b.String(), ",")+"}")
			d, err := mustVerifier(t, s, map[string]string{"audience": "hooks"}).Verify(bearing(token), arrival)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil && (d.ID != "d-1" || d.Event != "paid" || d.Timestamp.Unix() != at) {
				t.Errorf("found %+v", d)
			}
		})
	}
}

func TestExpiryHasTheLeewayOfTheTolerance(t *testing.T) {
	for tolerance, leeway := range map[time.Duration]time.Duration{0: MaxFuture, time.Minute: time.Minute, time.Hour: MaxFuture} {
		s := bearer("HS256", KeyText)
		s.Claims = ""
		v, err := NewVerifier(s, []Secret{mustSecret(t, "key", KeyText)}, tolerance, nil)
		if err != nil {
			t.Fatal(err)
		}
		for late, want := range map[time.Duration]error{leeway: nil, leeway + time.Second: ErrClaimsInvalid} {
			token := hs256("key", fmt.Sprintf(`{"exp":%d}`, arrival.Add(-late).Unix()))
			if _, err := v.Verify(bearing(token), arrival); !errors.Is(err, want) {
				t.Errorf("tolerance %s, %s late: got %v, want %v", tolerance, late, err, want)
			}
		}
	}
}

// What a claim is compared with comes from the request, which may lack it, or
// have it twice.
func TestClaimsOfTheRequest(t *testing.T) {
	for _, tt := range []struct {
		name, claims, token string
		who                 []string
		want                error
	}{
		{"the same", "who={header:X-Who}", `{"who":"a"}`, []string{"a"}, nil},
		{"another", "who={header:X-Who}", `{"who":"a"}`, []string{"b"}, ErrSignatureMismatch},
		{"nothing in either", "who={header:X-Who}", `{"who":""}`, nil, ErrSignatureMismatch},
		{"two values", "who={header:X-Who}", `{"who":""}`, []string{"a", "b"}, ErrSignatureMalformed},
		{"neither that of the request nor a fixed one", "who={header:X-Who}|b", `{"who":"c"}`, []string{"a"}, ErrSignatureMismatch},
		{"a fixed one", "who={header:X-Who}|b", `{"who":"b"}`, []string{"a"}, nil},
		{"the body", "text={body}", `{"text":"{}"}`, nil, nil},
		{"another body", "text={body}", `{"text":"[]"}`, nil, ErrSignatureMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := bearer("HS256", KeyText)
			s.Claims = tt.claims
			r := bearing(hs256("key", tt.token))
			r.Body = []byte("{}")
			if tt.who != nil {
				r.Header["X-Who"] = tt.who
			}
			if _, err := mustVerifier(t, s, nil).Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestOnlyACountOfSecondsLosesItsFraction(t *testing.T) {
	s := bearer("HS256", KeyText)
	s.Claims, s.Timestamp = "", "claim at rfc3339"
	token := hs256("key", `{"at":"`+arrival.UTC().Format("2006-01-02T15:04:05")+`.5Z"}`)
	if d, err := mustVerifier(t, s, nil).Verify(bearing(token), arrival); err != nil || d.Timestamp.Sub(arrival) != time.Second/2 {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestTokenThatIsNoObject(t *testing.T) {
	s := bearer("HS256", KeyText)
	s.Claims = ""
	for _, claims := range []string{"", "[]", `"iss"`, "{", "null"} {
		if _, err := mustVerifier(t, s, nil).Verify(bearing(hs256("key", claims)), arrival); !errors.Is(err, ErrClaimsInvalid) {
			t.Errorf("%q: %v", claims, err)
		}
	}
}

func TestTokenThatIsTheBody(t *testing.T) {
	s := Scheme{Type: TypeJWT, Algorithm: "HS256", Signature: "body", EventType: "claim type", DeliveryID: "claim id"}
	facts, err := s.Facts()
	if err != nil || !facts.SignsBody || !facts.SignsID {
		t.Errorf("facts %+v, %v", facts, err)
	}
	v := mustVerifier(t, s, nil)
	token := hs256("key", `{"type":"user.created","id":"e-1"}`)
	d, err := v.Verify(&Request{Body: []byte(token)}, arrival)
	if err != nil || d.ID != "e-1" || d.Event != "user.created" {
		t.Errorf("got %+v, %v", d, err)
	}
	// 32 bytes leave two bits of the last digit without a meaning.
	last := token[len(token)-1]
	alike := token[:len(token)-1] + string(base64URL[strings.IndexByte(base64URL, last)^1])
	for name, body := range map[string]string{
		"line feed behind it":          token + "\n",
		"line feed inside":             strings.Replace(token, ".", ".\n", 1),
		"other spelling of the digits": alike,
		"padding":                      token + "=",
		"a fourth part":                token + ".",
		"JSON serialisation":           `{"payload":"e30","signature":"AA"}`,
	} {
		if _, err := v.Verify(&Request{Body: []byte(body)}, arrival); !errors.Is(err, ErrSignatureMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := v.Verify(&Request{Body: bytes.Repeat([]byte("."), 1<<20)}, arrival); !errors.Is(err, ErrSignatureMalformed) {
		t.Errorf("a megabyte of dots: %v", err)
	}
}

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func TestUnusableTokenSchemes(t *testing.T) {
	for _, tt := range []struct {
		name, word, says string
		change           func(*Scheme)
	}{
		{"no algorithm", "algorithm", "write HS256", func(s *Scheme) { s.Algorithm = "" }},
		{"none", "algorithm", `"none"`, func(s *Scheme) { s.Algorithm = "none" }},
		{"none among others", "algorithm", `"none"`, func(s *Scheme) { s.Algorithm = "HS256|none" }},
		{"shared and public keys", "algorithm", "mixes", func(s *Scheme) { s.Algorithm = "HS256|RS256" }},
		{"a digest", "algorithm", `"sha256"`, func(s *Scheme) { s.Algorithm = "sha256" }},
		{"public key for HMAC", "key", "write text", func(s *Scheme) { s.Key = KeyPublic }},
		{"shared key for RSA", "key", "write public", func(s *Scheme) { s.Algorithm = "RS256" }},
		{"encoding", "encoding", "remove it", func(s *Scheme) { s.Encoding = "hex" }},
		{"signed", "signed", "remove it", func(s *Scheme) { s.Signed = "{body}" }},
		{"claim without a value", "claims", "NAME=VALUE", func(s *Scheme) { s.Claims = "iss" }},
		{"claim with an empty choice", "claims", "empty", func(s *Scheme) { s.Claims = "iss=a|" }},
		{"claim with an unknown placeholder", "claims", "{host}", func(s *Scheme) { s.Claims = "aud={host}" }},
		{"claim of no name", "claims", "NAME=VALUE", func(s *Scheme) { s.Claims = "=a" }},
		{"claim at no path", "claims", "needs one name", func(s *Scheme) { s.Claims = "a..b=c" }},
		{"token in itself", "signature", "only a token", func(s *Scheme) { s.Signature = "claim jwt" }},
		{"claims of another type", "claims", "remove it", func(s *Scheme) {
			*s = Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{body}", Claims: "iss=a"}
		}},
		{"place in a token of another type", "signature", "only a token", func(s *Scheme) {
			*s = Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{body}", EventType: "claim type"}
		}},
		{"whole body of another type", "signature", "one name", func(s *Scheme) {
			*s = Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "body", Encoding: "hex", Signed: "{body}"}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := bearer("HS256", KeyText)
			tt.change(&s)
			_, err := s.Facts()
			fault := new(SchemeError)
			if !errors.Is(err, ErrScheme) || !errors.As(err, &fault) || fault.Word != tt.word || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v of %s, want %q of %s", err, fault.Word, tt.says, tt.word)
			}
		})
	}
	s := bearer("HS256", KeyText)
	s.Claims = "aud={with:audience}"
	if _, err := NewVerifier(s, []Secret{mustSecret(t, "key", KeyText)}, 0, nil); !errors.Is(err, ErrScheme) {
		t.Errorf("parameter not given: %v", err)
	}
	if facts, err := s.Facts(); err != nil || facts.SignsBody || fmt.Sprint(facts.Parameters) != "[audience]" {
		t.Errorf("facts %+v, %v", facts, err)
	}
}

// A short key can be broken, and a long one takes more time than a sender may.
func TestSizesOfRSAKeys(t *testing.T) {
	for bits, want := range map[int]bool{minRSA - 1: false, minRSA: true, maxRSA: true, maxRSA + 1: false} {
		key := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), uint(bits-1)), E: 65537}
		if got := isRSA(key); got != want {
			t.Errorf("%d bits: %t", bits, got)
		}
	}
}

func TestATextThatIsNoKeyIsNoTokenKey(t *testing.T) {
	v, err := NewVerifier(bearer("RS256", KeyPublic), []Secret{mustSecret(t, "no key", KeyText)}, 0, nil)
	if !errors.Is(err, ErrSecretEncoding) || v != nil {
		t.Errorf("got %v, %v", v, err)
	}
}
