package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"testing"
)

// What is signed is what PHP's serialize writes.
func TestSerializedForm(t *testing.T) {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "form sig", Encoding: "hex", Signed: "{form_php:sig}", DeliveryID: "form id"}
	for _, tt := range []struct {
		name, signed, sent string
		want               error
	}{
		{"sorted", `a:2:{s:1:"a";s:1:"1";s:2:"id";s:1:"7";}`, "id=7&a=1", nil},
		{"decoded, and counted in bytes", `a:1:{s:2:"id";s:5:"é "x";}`, "id=%C3%A9+%22x", nil},
		{"empty", `a:1:{s:2:"id";s:0:"";}`, "id=", nil},
		{"nothing else", `a:0:{}`, "", nil},
		{"another field", `a:1:{s:2:"id";s:1:"7";}`, "id=7&a=1", ErrSignatureMismatch},
		{"a field twice", `a:1:{s:2:"id";s:1:"7";}`, "id=7&id=7", ErrSignatureMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			signature := hex.EncodeToString(sum(sha256.New, "key", tt.signed))
			r := &Request{Header: http.Header{}, Body: []byte("sig=" + signature + "&" + tt.sent)}
			if _, err := mustVerifier(t, s, nil).Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if facts, err := s.Facts(); err != nil || !facts.SignsBody || !facts.SignsID {
		t.Errorf("%+v, %v", facts, err)
	}
	s.DeliveryID = "form sig"
	if facts, err := s.Facts(); err != nil || facts.SignsID {
		t.Errorf("the signature signs itself: %+v, %v", facts, err)
	}
}
