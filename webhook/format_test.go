package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestExtraPartOfTheSignature(t *testing.T) {
	nonce := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig n={extra},s={signature}", Encoding: "hex", Signed: "{extra}.{body}"}
	account := nonce
	account.Signature, account.Signed = "header X-Sig application {extra}:{signature}", "{body}"
	pairs := account
	pairs.Signature = "header X-Sig {extra}|{signature}&..."
	for _, tt := range []struct {
		name         string
		scheme       Scheme
		signed, sent string
		body         string
		want         error
	}{
		{"signed", nonce, `abc.{"v":"1.0"}`, "n=abc,s=SIG", `{"v":"1.0"}`, nil},
		{"another one", nonce, `abc.{"v":"1.0"}`, "n=abd,s=SIG", `{"v":"1.0"}`, ErrSignatureMismatch},
		{"none", nonce, `abc.{"v":"1.0"}`, "s=SIG", `{"v":"1.0"}`, ErrSignatureMismatch},
		{"two that differ", nonce, `abc.{"v":"1.0"}`, "n=abc,n=abd,s=SIG", `{"v":"1.0"}`, ErrSignatureMalformed},
		{"some of the body moved into it", nonce, `abc.{"v":"1.0"}`, `n=abc.{"v":"1,s=SIG`, `0"}`, ErrSignatureMalformed},
		{"not signed", account, "{}", "application 669E:SIG", "{}", nil},
		{"not signed, another one", account, "{}", "application 7:SIG", "{}", nil},
		{"not signed, one for each signature", pairs, "{}", "a|" + strings.Repeat("0", 64) + "&b|SIG", "{}", nil},
		{"not there", account, "{}", "SIG", "{}", ErrSignatureMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &Request{Header: http.Header{}, Body: []byte(tt.body)}
			r.Header.Set("X-Sig", strings.ReplaceAll(tt.sent, "SIG", hex.EncodeToString(sum(sha256.New, "key", tt.signed))))
			if _, err := mustVerifier(t, tt.scheme, nil).Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	for _, signed := range []string{"{extra}{body}", "{body}{extra}", "{body}.{extra}."} {
		s := nonce
		s.Signed = signed
		if signed == "{body}.{extra}." {
			s.Signature = "header X-Sig"
		}
		if _, err := s.Facts(); !errors.Is(err, ErrScheme) || !strings.Contains(err.Error(), "signed has {extra}") {
			t.Errorf("%s with signature %s: %v", signed, s.Signature, err)
		}
	}
	nonce.Signature = "header X-Sig n={extra},m={extra},s={signature}"
	if _, err := nonce.Facts(); !errors.Is(err, ErrScheme) {
		t.Errorf("two extra parts: %v", err)
	}
}
