package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"testing"
)

func TestSignedHeaderList(t *testing.T) {
	s := Scheme{
		Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex",
		Signed: "{headers:x-list,x-time}\n{body}", Timestamp: "header X-Time",
	}
	for _, tt := range []struct {
		name, list, signed string
		want               error
	}{
		{"in the order of names", "X-Time, x-list,x-b", "x-b:2;x-list:X-Time, x-list,x-b;x-time:1767225600\n{}", nil},
		{"a field that is absent", "x-time,x-list,x-a", "x-a:;x-list:x-time,x-list,x-a;x-time:1767225600\n{}", nil},
		{"another value", "x-time,x-list,x-b", "x-b:3;x-list:x-time,x-list,x-b;x-time:1767225600\n{}", ErrSignatureMismatch},
		{"without the timestamp", "x-list,x-b", "x-b:2;x-list:x-list,x-b\n{}", ErrSignatureMalformed},
		{"without the list", "x-time,x-b", "x-b:2;x-time:1767225600\n{}", ErrSignatureMalformed},
		{"a field twice", "x-time,x-list,x-time", "x-list:x-time,x-list,x-time;x-time:1767225600;x-time:1767225600\n{}", ErrSignatureMalformed},
		{"a field with two values", "x-time,x-list,x-two", "x-list:x-time,x-list,x-two;x-time:1767225600;x-two:1\n{}", ErrSignatureMalformed},
		{"fields by turns", "x-time,x-list,x-b|x-c", "x-b|x-c:2;x-list:x-time,x-list,x-b|x-c;x-time:1767225600\n{}", ErrSignatureMismatch},
		{"nothing", "", "\n{}", ErrSignatureMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &Request{Header: http.Header{"X-Time": {"1767225600"}, "X-B": {" 2 "}, "X-Two": {"1", "2"}, "X-List": {tt.list}}, Body: []byte("{}")}
			r.Header.Set("X-Sig", hex.EncodeToString(sum(sha256.New, "key", tt.signed)))
			if _, err := mustVerifier(t, s, nil).Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	signer, err := NewSigner(s, mustSecret(t, "key", KeyText), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{Header: http.Header{}, Body: []byte("{}")}
	if err := signer.Sign(r, "", "", arrival); err != nil {
		t.Fatal(err)
	}
	if _, err := mustVerifier(t, s, nil).Verify(r, arrival); err != nil {
		t.Errorf("signed here: %v", err)
	}
	s.Signed = "{headers:x-list}\n{body}"
	if _, err := s.Facts(); !errors.Is(err, ErrScheme) {
		t.Errorf("a timestamp that need not be listed: %v", err)
	}
}
