package webhook

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestSignThenVerifyMessages(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Scheme, *Request)
		input  string
	}{
		{"as it is", func(*Scheme, *Request) {}, `sig1=("@method" "@target-uri" "content-digest");created=1767225600;nonce="7"`},
		{"under a label", func(s *Scheme, _ *Request) { s.Signature += " acme={signature}" }, `acme=("@method" "@target-uri" "content-digest");created=1767225600;nonce="7"`},
		{"with a query", func(s *Scheme, r *Request) { s.Signed = "content-digest @authority @path"; r.URL += "?a=1" }, `sig1=("content-digest" "@authority" "@path" "@query");created=1767225600;nonce="7"`},
		{"a parameter of the query", func(s *Scheme, r *Request) {
			s.Signed = `content-digest @authority @path @query-param;name="a%20b"`
			r.URL += "?a+b=1"
		}, `sig1=("content-digest" "@authority" "@path" "@query-param";name="a%20b" "@query");created=1767225600;nonce="7"`},
		{"by another method", func(s *Scheme, r *Request) { s.Signed = "@target-uri content-digest"; r.Method = http.MethodPut }, `sig1=("@target-uri" "content-digest" "@method");created=1767225600;nonce="7"`},
		{"no part twice", func(s *Scheme, _ *Request) { s.Signed = "@target-uri @path content-digest" }, `sig1=("@target-uri" "content-digest");created=1767225600;nonce="7"`},
		{"with all parameters", func(s *Scheme, _ *Request) { s.Claims = "keyid={with:key} tag=a|b" }, `sig1=("@method" "@target-uri" "content-digest");created=1767225600;nonce="7";keyid="k-1";tag="a"`},
		{"with header fields", func(s *Scheme, _ *Request) {
			s.Signed += " x-id date"
			s.DeliveryID, s.Timestamp = "header X-Id", "header Date http"
		}, `sig1=("@method" "@target-uri" "content-digest" "x-id" "date")`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, r := messageScheme, &Request{Method: http.MethodPost, URL: messageURL, Header: http.Header{}, Body: []byte(messageBody)}
			tt.change(&s, r)
			with := map[string]string{"key": "k-1"}
			signer, err := NewSigner(s, mustSecret(t, "key", KeyText), with)
			if err != nil {
				t.Fatal(err)
			}
			if err := signer.Sign(r, "7", "a.b", arrival); err != nil {
				t.Fatal(err)
			}
			if input := r.Header.Get("Signature-Input"); input != tt.input {
				t.Errorf("signed %s, want %s", input, tt.input)
			}
			d, err := mustVerifier(t, s, with).Verify(r, arrival)
			if err != nil || d.ID != "7" || d.Event != "a.b" || !d.Timestamp.Equal(arrival) {
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
}

func TestAMessageThatCannotBeSigned(t *testing.T) {
	s := messageScheme
	s.Signed += " x-tenant"
	signer, err := NewSigner(s, mustSecret(t, "key", KeyText), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]string{"without a header field": "7", "with an id that no parameter can hold": "Zoë"} {
		r := &Request{Method: http.MethodPost, URL: messageURL, Header: http.Header{}, Body: []byte(messageBody)}
		if id != "7" {
			r.Header.Set("X-Tenant", "t")
		}
		if err := signer.Sign(r, id, "", arrival); err == nil {
			t.Errorf("%s: signed as %v", name, r.Header)
		}
	}
}

// Each row is a description that must not be taken, and what its error must say.
func TestUnusableMessageSchemes(t *testing.T) {
	if _, err := messageScheme.Facts(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*Scheme)
		word   string
		says   string
	}{
		{"no algorithm", func(s *Scheme) { s.Algorithm = "" }, "algorithm", `algorithm ""`},
		{"digest in place of an algorithm", func(s *Scheme) { s.Algorithm = "sha256" }, "algorithm", "write hmac-sha256"},
		{"shared key beside a public one", func(s *Scheme) { s.Algorithm = "hmac-sha256|ed25519" }, "algorithm", "describe a scheme for each"},
		{"two algorithms for one key", func(s *Scheme) { s.Algorithm, s.Key = "rsa-pss-sha512|rsa-v1_5-sha256", KeyPublic }, "algorithm", "describe a scheme for each"},
		{"shared key that is public", func(s *Scheme) { s.Key = KeyPublic }, "key", "write text, hex"},
		{"public key that is shared", func(s *Scheme) { s.Algorithm = "ed25519" }, "key", "write public"},
		{"published key that is shared", func(s *Scheme) { s.Keys = "https://example.com/jwks" }, "keys", "write key public"},
		{"no signature", func(s *Scheme) { s.Signature = "" }, "signature", "write header Signature"},
		{"signature elsewhere", func(s *Scheme) { s.Signature = "header X-Signature" }, "signature", "write header Signature"},
		{"format without a label", func(s *Scheme) { s.Signature = "header Signature {signature}" }, "signature", "sig1={signature}"},
		{"format of a label and more", func(s *Scheme) { s.Signature = "header Signature a=1,b={signature}" }, "signature", "sig1={signature}"},
		{"label in capitals", func(s *Scheme) { s.Signature = "header Signature Sig={signature}" }, "signature", "sig1={signature}"},
		{"encoding", func(s *Scheme) { s.Encoding = "base64" }, "encoding", "means nothing to type http-message-signature"},
		{"require", func(s *Scheme) { s.Require = "query a {body}" }, "require", "means nothing"},
		{"nothing signed", func(s *Scheme) { s.Signed = "" }, "signed", "add content-digest"},
		{"body not signed", func(s *Scheme) { s.Signed = "@method @target-uri" }, "signed", "add content-digest"},
		{"body in the words of other types", func(s *Scheme) { s.Signed = "@target-uri {body}" }, "signed", "{body}"},
		{"address not signed", func(s *Scheme) { s.Signed = "content-digest" }, "signed", "add @target-uri"},
		{"host not signed", func(s *Scheme) { s.Signed = "@method @request-target content-digest" }, "signed", "add @target-uri"},
		{"path not signed", func(s *Scheme) { s.Signed = "@authority @query content-digest" }, "signed", "add @target-uri"},
		{"unknown component", func(s *Scheme) { s.Signed += " @status" }, "signed", "@status is not supported"},
		{"component in capitals", func(s *Scheme) { s.Signed += " X-Event" }, "signed", "X-Event"},
		{"component with a parameter", func(s *Scheme) { s.Signed += " x-event;sf" }, "signed", "x-event;sf is not supported"},
		{"component that cannot be read", func(s *Scheme) { s.Signed += ` x-event;"` }, "signed", "not written like a component"},
		{"component twice", func(s *Scheme) { s.Signed += " @method" }, "signed", "@method twice"},
		{"claim that is no parameter", func(s *Scheme) { s.Claims = "iss=acme" }, "claims", "keyid or tag"},
		{"claim of the request", func(s *Scheme) { s.Claims = "tag={sha256:body}" }, "claims", "keyid or tag"},
		{"timestamp in another parameter", func(s *Scheme) { s.Timestamp = "claim expires" }, "timestamp", "write timestamp claim created"},
		{"timestamp in another unit", func(s *Scheme) { s.Timestamp = "claim created milliseconds" }, "timestamp", "number of seconds"},
		{"timestamp that is not covered", func(s *Scheme) { s.Timestamp = "header Date http" }, "timestamp", "does not cover the timestamp"},
		{"id in another parameter", func(s *Scheme) { s.DeliveryID = "claim jti" }, "delivery_id", "delivery_id claim nonce"},
		{"event in a parameter", func(s *Scheme) { s.EventType = "claim tag" }, "event_type", "none of the signature's parameters"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := messageScheme
			tt.change(&s)
			_, err := s.Facts()
			var fault *SchemeError
			if !errors.Is(err, ErrScheme) || !strings.Contains(err.Error(), tt.says) || !errors.As(err, &fault) || fault.Word != tt.word {
				t.Errorf("got %v, want it to be about %s and to say %q", err, tt.word, tt.says)
			}
		})
	}
}
