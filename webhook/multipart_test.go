package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// The secret is "key", and SIG is the signature of "1767225600sent".
func TestMultipart(t *testing.T) {
	s := Scheme{
		Type: TypeHMAC, Algorithm: "sha256", Signature: "multipart json>event.hash", Encoding: "hex",
		Signed:    "{multipart:json>event.time}{multipart:json>event.type}",
		Timestamp: "multipart json>event.time", EventType: "multipart json>event.type", DeliveryID: "multipart id",
	}
	part := func(field, value string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + field + "\"\r\n\r\n" + value + "\r\n"
	}
	const event = `{"event":{"time":"1767225600","type":"sent","hash":"SIG"},"other":1}`
	const form = "multipart/form-data; boundary=b"
	for _, tt := range []struct {
		name, kind, body string
		want             error
	}{
		{"one field", form, part("json", event) + "--b--\r\n", nil},
		{"among others", form, part("a", "1") + part("json", event) + part("id", "7") + "--b--\r\n", nil},
		{"in a file", form, strings.Replace(part("json", event), `"json"`, `"json"; filename="a"`, 1) + "--b--\r\n", nil},
		{"twice the same", form, part("json", event) + part("json", event) + "--b--\r\n", nil},
		{"another one behind it", form, part("json", event) + part("json", strings.Replace(event, "1}", "2}", 1)) + "--b--\r\n", ErrSignatureMalformed},
		{"a repeated name", form, part("json", strings.Replace(event, `"other"`, `"Event"`, 1)) + "--b--\r\n", ErrSignatureMalformed},
		{"an object in place of the type", form, part("json", strings.Replace(event, `"sent"`, "{}", 1)) + "--b--\r\n", ErrSignatureMismatch},
		{"another type", form, part("json", strings.Replace(event, "sent", "send", 1)) + "--b--\r\n", ErrSignatureMismatch},
		{"no time", form, part("json", `{"event":{"type":"1767225600sent","hash":"SIG"}}`) + "--b--\r\n", ErrTimestampMissing},
		{"no signature", form, part("json", `{"event":{"time":"1767225600","type":"sent"}}`) + "--b--\r\n", ErrSignatureMissing},
		{"another field", form, part("Json", event) + "--b--\r\n", ErrSignatureMissing},
		{"cut off", form, part("json", event), ErrSignatureMissing},
		{"another boundary", "multipart/form-data; boundary=c", part("json", event) + "--b--\r\n", ErrSignatureMissing},
		{"no boundary", "multipart/form-data", part("json", event) + "--b--\r\n", ErrSignatureMissing},
		{"another content type", "multipart/mixed; boundary=b", part("json", event) + "--b--\r\n", ErrSignatureMissing},
		{"not multipart", "application/json", event, ErrSignatureMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			signature := hex.EncodeToString(sum(sha256.New, "key", "1767225600sent"))
			r := &Request{Header: http.Header{"Content-Type": {tt.kind}}, Body: []byte(strings.ReplaceAll(tt.body, "SIG", signature))}
			d, err := mustVerifier(t, s, nil).Verify(r, arrival)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err == nil && (d.Event != "sent" || d.Timestamp.Unix() != 1767225600 || d.ID != "" && d.ID != "7") {
				t.Errorf("found %+v", d)
			}
		})
	}
	facts, err := s.Facts()
	if err != nil || !facts.SignsBody || !facts.HasTimestamp || facts.SignsID {
		t.Errorf("%+v, %v", facts, err)
	}
	if err := s.Signable(); !errors.Is(err, ErrScheme) {
		t.Errorf("signable: %v", err)
	}
	for _, where := range []string{"multipart", "multipart >a", "multipart json>", "multipart json>a..b"} {
		if _, err := ParsePlace(where); !errors.Is(err, ErrScheme) {
			t.Errorf("%s: %v", where, err)
		}
	}
	s.Signed = "{multipart:json>event..time}"
	if _, err := s.Facts(); !errors.Is(err, ErrScheme) {
		t.Errorf("path with an empty part: %v", err)
	}
}
