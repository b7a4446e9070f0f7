package webhook

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestPlacesInJSONOfAHeader(t *testing.T) {
	encode := base64.StdEncoding.EncodeToString
	object := encode([]byte(`{"kid":"k?1","a":{"b.c":[7]}}`))
	for _, tt := range []struct {
		place  string
		values []string
		want   string
	}{
		{"header_json x-sig>kid", []string{object}, "k?1"},
		{"header_json X-Sig>kid", []string{strings.TrimRight(object, "=")}, "k?1"},
		{"header_json X-Sig>kid", []string{base64.RawURLEncoding.EncodeToString([]byte(`{"kid":"k?>1"}`)) + "..c2ln"}, "k?>1"},
		{"header_json X-Sig>a.0", []string{encode([]byte(`{"a":[7]}`))}, "7"},
		{"header_json X-Sig>none|X-Sig>kid", []string{object}, "k?1"},
		{"header_json X-Sig>a", []string{object}, ""},
		{"header_json X-Sig>kid", []string{encode([]byte(`{"kid":"k`))}, ""},
		{"header_json X-Sig>kid", []string{"not base64"}, ""},
		{"header_json X-Sig>kid", []string{"", object, "."}, "k?1"},
		{"header_json X-Sig>kid", nil, ""},
	} {
		p, err := ParsePlace(tt.place)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Value(&Request{Header: http.Header{"X-Sig": tt.values}}); got != tt.want || err != nil {
			t.Errorf("%s of %q is %q, %v; want %q", tt.place, tt.values, got, err, tt.want)
		}
	}
	p, err := ParsePlace("header_json X-Sig>kid")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Value(&Request{Header: http.Header{"X-Sig": {object, encode([]byte(`{"kid":"k2"}`))}}}); err == nil {
		t.Error("two values that differ")
	}
	r := &Request{Header: http.Header{"X-Sig": {encode([]byte(`{"alg":"x"}`))}}}
	if err := p.Set(r, "k2"); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Value(r); got != "k2" || err != nil || headerJSON(r.Header.Get("X-Sig"), "alg", false) != "x" {
		t.Errorf("what was set is %q, %v", got, err)
	}
	for _, words := range []string{"header_json", "header_json X-Sig", "header_json X-Sig>", "header_json >kid", "header_json X-Sig>.kid"} {
		if _, err := ParsePlace(words); !errors.Is(err, ErrScheme) {
			t.Errorf("%q: %v", words, err)
		}
	}
}
