package transport

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// Whatever a request holds, no application may read it as another one, or as two.
func TestRequestsThatCannotBeSent(t *testing.T) {
	for name, spoil := range map[string]func(r *http.Request){
		"method of two words":          func(r *http.Request) { r.Method = "POST /other HTTP/1.1\r\nX:" },
		"line break in the target":     func(r *http.Request) { r.URL.RawQuery = "a HTTP/1.1\r\nX: y" },
		"blank in the target":          func(r *http.Request) { r.URL.RawQuery = "a b" },
		"line break in the host":       func(r *http.Request) { r.Host = "a\r\nX: y" },
		"no host":                      func(r *http.Request) { r.Host, r.URL.Host = "", "" },
		"line break in a field's name": func(r *http.Request) { r.Header["X: y\r\nZ"] = []string{"1"} },
		"line break in a field":        func(r *http.Request) { r.Header.Set("X", "y\r\n\r\nPOST / HTTP/1.1") },
		"body shorter than announced":  func(r *http.Request) { r.ContentLength = 100 },
		"body longer than announced":   func(r *http.Request) { r.ContentLength = 3 },
		"body that breaks off":         func(r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)) },
		"long body that breaks off": func(r *http.Request) {
			r.ContentLength = 1 << 20
			r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 100<<10)), iotest.ErrReader(io.ErrUnexpectedEOF)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, func(l *line) {
				for r := l.read(); r != nil; r = l.read() {
					if body, _ := io.ReadAll(r.Body); string(body) != "first" {
						l.Errorf("the application read %s %v %.100q", r.Method, r.Header, body)
					}
					l.say(okAnswer)
				}
			})
			var transport Transport
			if _, _, err := u.send(&transport, http.MethodPost, "first"); err != nil {
				t.Fatal(err)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://application/hooks", strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			spoil(r)
			answer, err := transport.RoundTrip(r, "tcp", u.Addr().String())
			if err == nil {
				answer.Body.Close()
			}
			if !errors.Is(err, ErrRequest) {
				t.Errorf("error %v, want %v", err, ErrRequest)
			}
			if transport.take(endpoint{"tcp", u.Addr().String()}) != nil {
				t.Error("the connection was kept")
			}
		})
	}
}
