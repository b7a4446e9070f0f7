package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// The digest of "{}" is as openssl dgst has it.
const digestOfEmptyObject = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

func TestRequiredDigest(t *testing.T) {
	inQuery := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{url}", Require: "query sum {sha256:body}"}
	inHeader := inQuery
	inHeader.Signed, inHeader.Require, inHeader.DeliveryID = "sum: {header:X-Sum}", "header X-Sum SHA-256={sha256:body}{with:end}", "body id"
	for _, tt := range []struct {
		name, query, header, body string
		scheme                    Scheme
		want                      error
	}{
		{"query", "sum=" + digestOfEmptyObject, "", "{}", inQuery, nil},
		{"query, another body", "sum=" + digestOfEmptyObject, "", "{ }", inQuery, ErrSignatureMismatch},
		{"query, none", "sum=", "", "{}", inQuery, ErrSignatureMismatch},
		{"query, two that differ", "sum=0&sum=" + digestOfEmptyObject, "", "{}", inQuery, ErrSignatureMismatch},
		{"header", "", "SHA-256=" + digestOfEmptyObject + ";", "{}", inHeader, nil},
		{"header, another body", "", "SHA-256=" + digestOfEmptyObject + ";", "[]", inHeader, ErrSignatureMismatch},
		{"header, another digest", "", "SHA-512=" + digestOfEmptyObject + ";", "{}", inHeader, ErrSignatureMismatch},
		{"header, none", "", "", "{}", inHeader, ErrSignatureMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &Request{URL: "https://x.example/?" + tt.query, Query: tt.query, Header: http.Header{"X-Sum": {tt.header}}, Body: []byte(tt.body)}
			signed := r.URL
			if tt.query == "" {
				signed = "sum: " + tt.header
			}
			r.Header.Set("X-Sig", hex.EncodeToString(sum(sha256.New, "key", signed)))
			if _, err := mustVerifier(t, tt.scheme, map[string]string{"end": ";"}).Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	facts, err := inHeader.Facts()
	if err != nil || !facts.SignsBody || !facts.SignsID || !slices.Contains(facts.Header, "X-Sum") || !slices.Contains(facts.Parameters, "end") {
		t.Errorf("%+v, %v", facts, err)
	}
}

// The signature covers the id in the query, and nothing of the body.
func TestRequiredRepetition(t *testing.T) {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "id:{query:id};", Require: "body data.id {query:id}"}
	for _, tt := range []struct {
		name, query, body string
		want              error
	}{
		{"the same", "id=a%201", `{"data":{"id":"a 1"},"other":1}`, nil},
		{"another one", "id=a%201", `{"data":{"id":"b"}}`, ErrSignatureMismatch},
		{"none", "id=a%201", `{"data":{}}`, ErrSignatureMismatch},
		{"neither", "", `{"data":{"id":""}}`, ErrSignatureMismatch},
		{"another one behind it", "id=a%201", `{"data":{"id":"a 1"},"data":{"id":"b"}}`, ErrSignatureMalformed},
		{"no JSON behind it", "id=a%201", `{"data":{"id":"a 1"}}}`, ErrSignatureMalformed},
		{"two in the query", "id=a%201&id=b", `{"data":{"id":"a 1"}}`, ErrSignatureMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			signed := "id:a 1;"
			if tt.query == "" {
				signed = "id:;"
			}
			r := &Request{Query: tt.query, Header: http.Header{}, Body: []byte(tt.body)}
			r.Header.Set("X-Sig", hex.EncodeToString(sum(sha256.New, "key", signed)))
			if _, err := mustVerifier(t, s, nil).Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	s.DeliveryID = "body data.id"
	if facts, err := s.Facts(); err != nil || !facts.SignsBody || !facts.SignsID {
		t.Errorf("%+v, %v", facts, err)
	}
	s.DeliveryID = "body id"
	if facts, err := s.Facts(); err != nil || facts.SignsID {
		t.Errorf("another id: %+v, %v", facts, err)
	}
}

func TestASignerWritesWhatIsRequired(t *testing.T) {
	for _, place := range []string{"query sum", "header X-Sum"} {
		s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{url}{header:X-Sum}", Require: place + " {sha256:body}"}
		signer, err := NewSigner(s, mustSecret(t, "key", KeyText), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &Request{URL: "https://x.example/a", Header: http.Header{}, Body: []byte("{}")}
		for range 2 { // a second time, it is there already
			if err := signer.Sign(r, "", "", arrival); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := mustVerifier(t, s, nil).Verify(r, arrival); err != nil {
			t.Errorf("%s: %v", place, err)
		}
		if strings.Contains(r.URL, "?") && r.URL != "https://x.example/a?sum="+digestOfEmptyObject {
			t.Errorf("%s: signed %s", place, r.URL)
		}
	}
}

func TestASignerWritesWhatTheBodyRepeats(t *testing.T) {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{query:id}", Require: "body data.id {query:id}"}
	signer, err := NewSigner(s, mustSecret(t, "key", KeyText), nil)
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{"": "7", "id=8": "8"} {
		r := &Request{URL: "https://x.example/a?" + query, Query: query, Header: http.Header{}, Body: []byte("{}")}
		if err := signer.Sign(r, "7", "", arrival); err != nil {
			t.Fatal(err)
		}
		if string(r.Body) != `{"data":{"id":"`+want+`"}}` || r.Query != "id="+want {
			t.Errorf("%q: made %s of query %q", query, r.Body, r.Query)
		}
		if _, err := mustVerifier(t, s, nil).Verify(r, arrival); err != nil {
			t.Error(err)
		}
	}
}

func TestUnusableRequirements(t *testing.T) {
	for _, tt := range []struct{ name, signed, require, says string }{
		{"no text", "{body}", "header X-Sum", "write a place and a text"},
		{"no place", "{body}", "X-Sum {sha256:body}", "write a place and a text"},
		{"unknown text", "{body}", "header X-Sum {sha:body}", "{sha:body}"},
		{"digest that is not signed", "{url}", "header X-Sum {sha256:body}", "add {body}"},
		{"nothing of the body", "{url}", "query sum {sha256:url}", "add {body}"},
		{"something else in the body", "{query:id}", "body id {query:other}", "add {body}"},
		{"something else in the body, too", "{query:id}", "body id {query:id}{query:other}", "add {body}"},
		{"the same text in every body", "{query:id}", "body id x", "add {body}"},
		{"digest in the body", "{url}", "body sum {sha256:body}", "add {body}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: tt.signed, Require: tt.require}
			if _, err := s.Facts(); !errors.Is(err, ErrScheme) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want it to say %q", err, tt.says)
			}
		})
	}
	token := Scheme{Type: TypeToken, Signature: "header X-Token", Require: "header X-Sum {sha256:body}"}
	if _, err := token.Facts(); !errors.Is(err, ErrScheme) {
		t.Errorf("token: %v", err)
	}
}
