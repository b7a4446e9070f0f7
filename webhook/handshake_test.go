package webhook

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Each row is a question in the form of a real provider and the answer that the
// provider documents, or none where the request is no such question.
func TestHandshakes(t *testing.T) {
	secret := mustSecret(t, "key", KeyText)
	with := map[string]string{"verify_token": "expected", "topic": "orders"}
	slack := Handshake{When: []string{"body type url_verification"}, Text: "{json:challenge}"}
	meta := Handshake{Method: "GET", Unsigned: true, When: []string{"query hub.mode subscribe", "query hub.challenge"}, Require: "query hub.verify_token {with:verify_token}", Text: "{query:hub.challenge}"}
	crc := Handshake{Method: "GET", Unsigned: true, When: []string{"query crc_token"}, Compute: "hmac base64 {query:crc_token}", JSON: map[string]any{"response_token": "sha256={computed}"}}
	zoom := Handshake{When: []string{"body event endpoint.url_validation"}, Compute: "hmac hex {json:payload.plainToken}", JSON: map[string]any{"plainToken": "{json:payload.plainToken}", "encryptedToken": "{computed}"}}
	ebay := Handshake{Method: "GET", Unsigned: true, When: []string{"query challenge_code"}, Compute: "hash hex {query:challenge_code}{with:verify_token}{url}", JSON: map[string]any{"challengeResponse": "{computed}"}}
	ping := Handshake{When: []string{"body type 1"}, JSON: map[string]any{"type": 1}}
	echo := Handshake{Method: "OPTIONS", When: []string{"header WebHook-Request-Origin"}, Header: map[string]string{"WebHook-Allowed-Origin": "{header:WebHook-Request-Origin}"}}
	secrets := Handshake{Unsigned: true, When: []string{"header X-Hook-Secret"}, Header: map[string]string{"X-Hook-Secret": "{header:X-Hook-Secret}"}}
	probe := Handshake{Method: "HEAD", Unsigned: true}
	confirm := Handshake{When: []string{"body type confirm"}, Visit: "body url https://sns.*.example.com/?topic={with:topic}&token=*"}
	braintree := Handshake{Method: "GET", Unsigned: true, When: []string{"query bt_challenge ~[a-f0-9]{20,32}"}, Compute: "hmac-sha1 hex {query:bt_challenge}", Text: "{with:verify_token}|{computed}"}
	fitbit := Handshake{Method: "GET", Unsigned: true, When: []string{"query verify"}, Require: "query verify {with:verify_token}", Refuse: 404, Status: 204}

	for _, tt := range []struct {
		name      string
		handshake Handshake
		request   Request
		want      string // status, header fields, body
		refused   int    // status of the refusal, -1: any
	}{
		{name: "value in the body", handshake: slack, request: Request{Body: []byte(`{"type":"url_verification","challenge":"3eZb"}`)}, want: "200 Content-Type=text/plain; charset=utf-8 3eZb"},
		{name: "an event", handshake: slack, request: Request{Body: []byte(`{"type":"event_callback","challenge":"3eZb"}`)}},
		{name: "a list in place of the value", handshake: slack, request: Request{Body: []byte(`{"type":["url_verification"]}`)}},
		{name: "no JSON", handshake: slack, request: Request{Body: []byte(`type=url_verification`)}},
		{name: "other method", handshake: slack, request: Request{Method: "PUT", Body: []byte(`{"type":"url_verification"}`)}},
		{name: "right token", handshake: meta, request: Request{Method: "GET", Query: "hub.mode=subscribe&hub.challenge=11%2B58&hub.verify_token=expected"}, want: "200 Content-Type=text/plain; charset=utf-8 11+58"},
		{name: "wrong token", handshake: meta, request: Request{Method: "GET", Query: "hub.mode=subscribe&hub.challenge=1158&hub.verify_token=guess"}, refused: -1},
		{name: "no token", handshake: meta, request: Request{Method: "GET", Query: "hub.mode=subscribe&hub.challenge=1158"}, refused: -1},
		{name: "two tokens", handshake: meta, request: Request{Method: "GET", Query: "hub.mode=subscribe&hub.challenge=1158&hub.verify_token=expected&hub.verify_token=guess"}, refused: -1},
		{name: "no question", handshake: meta, request: Request{Method: "GET", Query: "x=1"}},
		// printf token | openssl dgst -sha256 -hmac key -binary | base64
		{name: "keyed answer", handshake: crc, request: Request{Method: "GET", Query: "crc_token=token"}, want: `200 Content-Type=application/json {"response_token":"sha256=ZGuOrAxK5BeCmcm9kk4r8HPfsH4CSQGoyGT2W5Rivw0="}`},
		{name: "keyed answer to a body", handshake: crc, request: Request{Method: "GET", Query: "crc_token=%7B%22forged%22%3A1%7D"}, refused: -1},
		{name: "keyed answer to a form", handshake: crc, request: Request{Method: "GET", Query: "crc_token=forged%3D1"}, refused: -1},
		{name: "keyed answer to a text", handshake: crc, request: Request{Method: "GET", Query: "crc_token=%C3%A9"}, refused: -1},
		{name: "keyed answer to a long token", handshake: crc, request: Request{Method: "GET", Query: "crc_token=" + strings.Repeat("a", 257)}, refused: -1},
		// printf 0123456789abcdef0123 | openssl dgst -sha1 -hmac key
		{name: "answer keyed with SHA-1", handshake: braintree, request: Request{Method: "GET", Query: "bt_challenge=0123456789abcdef0123"}, want: "200 Content-Type=text/plain; charset=utf-8 expected|99ea4b344c08c8477b949b50898249a11eb30406"},
		{name: "another question than the pattern has", handshake: braintree, request: Request{Method: "GET", Query: "bt_challenge=0123456789abcdef01234z"}},
		{name: "a question around the pattern", handshake: braintree, request: Request{Method: "GET", Query: "bt_challenge=0123456789abcdef0123%0A"}},
		// printf token | openssl dgst -sha256 -hmac key
		{name: "keyed answer beside the question", handshake: zoom, request: Request{Body: []byte(`{"event":"endpoint.url_validation","payload":{"plainToken":"token"}}`)}, want: `200 Content-Type=application/json {"encryptedToken":"646b8eac0c4ae4178299c9bd924e2bf073dfb07e024901a8c864f65b9462bf0d","plainToken":"token"}`},
		// printf codeexpectedhttps://h.example/in | openssl dgst -sha256
		{name: "hashed answer", handshake: ebay, request: Request{Method: "GET", Query: "challenge_code=code", URL: "https://h.example/in"}, want: `200 Content-Type=application/json {"challengeResponse":"c4c577a98ed0f29ecf529f9fd7ed14f145687276cea13ca2bce75f375334e582"}`},
		{name: "number", handshake: ping, request: Request{Body: []byte(`{"type":1}`)}, want: `200 Content-Type=application/json {"type":1}`},
		{name: "text where a number is meant", handshake: ping, request: Request{Body: []byte(`{"type":2}`)}},
		{name: "header", handshake: echo, request: Request{Method: "OPTIONS", Header: http.Header{"Webhook-Request-Origin": {"e.example"}}}, want: "200 WebHook-Allowed-Origin=e.example "},
		{name: "stranger's header", handshake: secrets, request: Request{Header: http.Header{"X-Hook-Secret": {"b5372-07f_+/=="}}}, want: "200 X-Hook-Secret=b5372-07f_+/== "},
		{name: "stranger's long header", handshake: secrets, request: Request{Header: http.Header{"X-Hook-Secret": {strings.Repeat("a", 257)}}}, refused: -1},
		{name: "stranger's header of several words", handshake: secrets, request: Request{Header: http.Header{"X-Hook-Secret": {"a; b"}}}, refused: -1},
		{name: "probe", handshake: probe, request: Request{Method: "HEAD"}, want: "200  "},
		{name: "right code", handshake: fitbit, request: Request{Method: "GET", Query: "verify=expected"}, want: "204  "},
		{name: "wrong code", handshake: fitbit, request: Request{Method: "GET", Query: "verify=guess"}, refused: 404},
		{name: "a URL to visit", handshake: confirm, request: Request{Body: []byte(`{"type":"confirm","url":"https://sns.eu-1.example.com/?topic=orders&token=1f"}`)}, want: "200   visits https://sns.eu-1.example.com/?topic=orders&token=1f"},
		{name: "quotes in a JSON answer", handshake: zoom, request: Request{Body: []byte(`{"event":"endpoint.url_validation","payload":{"plainToken":"\"},{\""}}`)}, want: `200 Content-Type=application/json {"encryptedToken":"2d730b98abb21d0b793b426f22a96ae17e3047bbdca99347171badfe89bec8a8","plainToken":"\"},{\""}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := NewResponder(tt.handshake, []Secret{secret}, with)
			if err != nil {
				t.Fatal(err)
			}
			if tt.request.Method == "" {
				tt.request.Method = http.MethodPost
			}
			reply, err := r.Answer(&tt.request)
			var refused *HandshakeError
			if errors.As(err, &refused) != (tt.refused != 0) || tt.refused > 0 && refused.Status != tt.refused {
				t.Fatalf("refused: %v", err)
			}
			if refused != nil && !errors.Is(err, ErrSignatureMismatch) {
				t.Errorf("refused without the cause: %v", err)
			}
			got := ""
			if reply != nil {
				var fields []string
				for _, name := range slices.Sorted(maps.Keys(reply.Header)) {
					fields = append(fields, name+"="+reply.Header[name])
				}
				got = fmt.Sprintf("%d %s %s", reply.Status, strings.Join(fields, ","), reply.Body)
				if reply.Visit != "" {
					got += " visits " + reply.Visit
				}
			}
			if got != tt.want {
				t.Errorf("answered %q, want %q", got, tt.want)
			}
		})
	}
}

func TestUntrustedVisits(t *testing.T) {
	h := Handshake{When: []string{"body type confirm"}, Visit: "body url https://sns.*.example.com/?topic={with:topic}&token=*"}
	r, err := NewResponder(h, nil, map[string]string{"topic": "orders"})
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{
		``,
		`"url":7`,
		`"url":"https://sns.eu-1.example.com/?topic=other&token=1f"`,
		`"url":"https://sns.eu-1.example.com/?topic=orders&token=1f&topic=other"`,
		`"url":"https://sns.eu-1.example.com/?topic=orders&token=1f#"`,
		`"url":"https://sns.eu-1.example.com/?topic=orders&token="`,
		`"url":"https://sns.eu-1.evil.test/sns.eu-1.example.com/?topic=orders&token=1f"`,
		`"url":"https://sns.a/b.example.com/?topic=orders&token=1f"`,
		`"url":"http://sns.eu-1.example.com/?topic=orders&token=1f"`,
		`"url":"https://sns.eu-1.example.com/?topic=orders&token=1f\n"`,
	} {
		body := `{"type":"confirm",` + url + `}`
		if url == "" {
			body = `{"type":"confirm"}`
		}
		if reply, err := r.Answer(&Request{Method: "POST", Body: []byte(body)}); !errors.Is(err, ErrClaimsInvalid) || reply != nil {
			t.Errorf("%s: %+v, %v", body, reply, err)
		}
	}
}

func TestUnusableHandshakes(t *testing.T) {
	for _, h := range []Handshake{
		{},
		{When: []string{"type is x"}},
		{When: []string{"body type {boddy}"}},
		{When: []string{"body type ~["}},
		{When: []string{"body type x"}, Require: "query token ~[a-z]+"},
		{When: []string{"body type x"}, Require: "query token"},
		{When: []string{"body type x"}, Text: "{nothing}"},
		{When: []string{"body type x"}, Text: "{with:unknown}"},
		{When: []string{"body type x"}, Text: "a", JSON: map[string]any{"a": 1}},
		{When: []string{"body type x"}, Text: "{computed}", Compute: "md5 hex {json:a}"},
		{When: []string{"body type x"}, Text: "{computed}", Compute: "hmac octal {json:a}"},
		{When: []string{"body type x"}, Text: "{computed}"},
		{When: []string{"body type x"}, Visit: "https://example.com/confirm"},
		{When: []string{"body type x"}, Visit: "body url"},
		{When: []string{"body type x"}, Visit: "body url https://*/confirm"},
		{When: []string{"body type x"}, Visit: "body url https://example.com/{json:path}"},
		{When: []string{"body type x"}, Visit: "body url https://example.com/{with:unknown}"},
		{When: []string{"body type x"}, Visit: "body url https://example.com/*", Unsigned: true},
	} {
		if _, err := NewResponder(h, nil, nil); !errors.Is(err, ErrScheme) {
			t.Errorf("%+v: %v", h, err)
		}
	}
}

func TestHandshakeParameters(t *testing.T) {
	h := Handshake{Require: "query a {with:token}", Text: "{with:b}{with:token}", JSON: map[string]any{"x": "{with:c}", "n": 1}, Compute: "hash hex {with:d}"}
	if got := fmt.Sprint(h.Parameters()); got != "[b c d token]" {
		t.Errorf("got %s", got)
	}
}
