package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"testing"
)

func TestSignedAmount(t *testing.T) {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{amount:sum,money.unit}{json:money.unit}", DeliveryID: "body sum"}
	for _, tt := range []struct {
		amount, currency string
		signed           string
		want             error
	}{
		{`1.5`, `"KWD"`, "1.500KWD", nil},
		{`"1.5"`, `"KWD"`, "1.500KWD", nil},
		{`20`, `"AED"`, "20.00AED", nil},
		{`20.000`, `"AED"`, "20.00AED", nil},
		{`0`, `"BHD"`, "0.000BHD", nil},
		{`12.3`, `null`, "12.30", nil},
		{`2`, `"AED"`, "20.00AED", ErrSignatureMismatch},
		{`1.505`, `"AED"`, "1.50AED", ErrSignatureMalformed},
		{`-1`, `"AED"`, "-1.00AED", ErrSignatureMalformed},
		{`1e2`, `"AED"`, "100.00AED", ErrSignatureMalformed},
		{`".5"`, `"AED"`, "0.50AED", ErrSignatureMalformed},
		{`""`, `"AED"`, ".00AED", ErrSignatureMalformed},
		{`[1]`, `"AED"`, ".00AED", ErrSignatureMalformed},
		{`1`, `["AED"]`, "1.00", ErrSignatureMalformed},
		{`1,"sum":2`, `"AED"`, "1.00AED", ErrSignatureMalformed},
	} {
		t.Run(tt.amount+" "+tt.currency, func(t *testing.T) {
			r := &Request{
				Header: http.Header{"X-Sig": {hex.EncodeToString(sum(sha256.New, "key", tt.signed))}},
				Body:   []byte(`{"sum":` + tt.amount + `,"money":{"unit":` + tt.currency + `}}`),
			}
			if _, err := mustVerifier(t, s, nil).Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if facts, err := s.Facts(); err != nil || !facts.SignsBody || !facts.SignsID {
		t.Errorf("%+v, %v", facts, err)
	}
	for _, argument := range []string{"sum", "sum,", ",unit", "sum|total,unit", "a..b,unit"} {
		s.Signed = "{amount:" + argument + "}"
		if _, err := s.Facts(); !errors.Is(err, ErrScheme) {
			t.Errorf("%s: %v", argument, err)
		}
	}
}
