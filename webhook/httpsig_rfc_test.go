package webhook

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
)

// The keys of RFC 9421 section B.1.
const (
	rfcSecret  = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
	rfcEd25519 = "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
	rfcP256    = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ=="
	rfcPSS     = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB"
)

// The signatures that RFC 9421 shows are right, but few of them cover what a
// webhook's must.
func TestPublishedMessageSignatures(t *testing.T) {
	for _, tt := range []struct {
		name, algorithm, key, label, input, signature, host, lacks string
	}{
		{
			name: "B.2.1, of nothing", algorithm: "rsa-pss-sha512", key: rfcPSS, label: "sig-b21", host: "example.com",
			input:     `();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"`,
			signature: "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==",
			lacks:     "does not cover \"@authority\"",
		},
		{
			name: "B.2.2, of chosen components", algorithm: "rsa-pss-sha512", key: rfcPSS, label: "sig-b22", host: "example.com",
			input:     `("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example"`,
			signature: "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==",
			lacks:     "does not cover \"@path\"",
		},
		{
			name: "B.2.3, of everything", algorithm: "rsa-pss-sha512", key: rfcPSS, label: "sig-b23", host: "example.com",
			input:     `("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"`,
			signature: "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==",
			lacks:     "",
		},
		{
			name: "B.2.5, with a shared secret", algorithm: "hmac-sha256", key: rfcSecret, label: "sig-b25", host: "example.com",
			input:     `("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`,
			signature: "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
			lacks:     "does not cover \"@path\"",
		},
		{
			name: "B.2.6, with Ed25519", algorithm: "ed25519", key: rfcEd25519, label: "sig-b26", host: "example.com",
			input:     `("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`,
			signature: "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
			lacks:     "does not cover \"content-digest\"",
		},
		{
			name: "B.3, by a proxy", algorithm: "ecdsa-p256-sha256", key: rfcP256, label: "ttrp", host: "service.internal.example",
			input:     `("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;keyid="test-key-ecc-p256"`,
			signature: "xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==",
			lacks:     "does not cover \"content-digest\"",
		},
		{
			name: "3.2, not of the query", algorithm: "rsa-pss-sha512", key: rfcPSS, label: "sig1", host: "example.com",
			input:     `("@method" "@authority" "@path" "content-digest" "content-length" "content-type");created=1618884473;keyid="test-key-rsa-pss"`,
			signature: "HIbjHC5rS0BYaa9v4QfD4193TORw7u9edguPh0AW3dMq9WImrlFrCGUDih47vAxi4L2YRZ3XMJc1uOKk/J0ZmZ+wcta4nKIgBkKq0rM9hs3CQyxXGxHLMCy8uqK488o+9jrptQ+xFPHK7a9sRL1IXNaagCNN3ZxJsYapFj+JXbmaI5rtAdSfSvzPuBCh+ARHBmWuNo1UzVVdHXrl8ePL4cccqlazIJdC4QEjrF+Sn4IxBQzTZsL9y9TP5FsZYzHvDqbInkTNigBcE9cKOYNFCn4D/WM7F6TNuZO9EgtzepLWcjTymlHzK7aXq6Am6sfOrpIC49yXjj3ae6HRalVc/g==",
			lacks:     "does not cover \"@query\"",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &Request{
				Method: http.MethodPost, URL: "https://" + tt.host + "/foo?param=Value&Pet=dog", Body: []byte(`{"hello": "world"}`),
				Header: http.Header{
					"Date":            {"Tue, 20 Apr 2021 02:07:55 GMT"},
					"Content-Type":    {"application/json"},
					"Content-Digest":  {"sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"},
					"Content-Length":  {"18"},
					"Client-Cert":     {":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:"},
					"Signature-Input": {tt.label + "=" + tt.input},
					"Signature":       {tt.label + "=:" + tt.signature + ":"},
				},
			}
			s := Scheme{Type: TypeMessage, Algorithm: tt.algorithm, Key: KeyPublic, Signature: "header Signature", Signed: "@authority @path content-digest", Timestamp: "claim created"}
			if tt.algorithm == "hmac-sha256" {
				s.Key = KeyBase64
			}
			v := mustVerifier(t, s, nil, mustSecret(t, tt.key, s.Key))

			dictionary := must(httpsfv.UnmarshalDictionary(r.Header["Signature-Input"]))
			input, _ := dictionary.Get(tt.label)
			signed := signedMessage{signature: unbase64(tt.signature)}
			var err error
			if _, signed.base, err = signatureBase(r, input.(httpsfv.InnerList)); err != nil {
				t.Fatal(err)
			}
			if proven, _ := v.keys[0].proves(nil, r, &evidence{messages: []signedMessage{signed}}); !proven {
				t.Errorf("it does not fit\n%s", signed.base)
			}

			_, err = v.Verify(r, time.Unix(1618884473, 0))
			if tt.lacks == "" && err != nil || tt.lacks != "" && (!errors.Is(err, ErrSignatureMalformed) || !strings.Contains(err.Error(), tt.lacks)) {
				t.Errorf("got %v, want it to say %s", err, tt.lacks)
			}
		})
	}
}

func unbase64(text string) []byte { return must(base64.StdEncoding.DecodeString(text)) }
