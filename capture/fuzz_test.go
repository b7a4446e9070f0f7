package capture

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
)

// Whatever is read can be written as raw HTTP, and is then read as the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"POST /in?a=b HTTP/1.1\r\nHost: a.example\r\nX-Sig: s\r\nContent-Length: 2\r\n\r\n{}",
		"POST /in HTTP/1.1\nTransfer-Encoding: chunked\n\n2\r\n{}\r\n0\r\n\r\n",
		`curl -sS 'http://a.example/in' -H "X-Sig: s" --data-raw $'{\u00e9\x41}' \` + "\n--json x",
		`curl "a.example/?a "`,
		"curl 'a.example/?a=\u00a0b'",
		`{"log":{"entries":[{"startedDateTime":"2026-01-01T00:00:00Z","request":{"method":"POST","url":"https://a.example/in","headers":[{"name":"X-Sig","value":"s"}],"postData":{"text":"{}"}}}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := Parse(text, nil)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("another cause: %v", err)
			}
			return
		}
		for _, r := range all {
			var raw bytes.Buffer
			fmt.Fprintf(&raw, "%s %s HTTP/1.1\r\n", r.Method, r.URL)
			for _, name := range slices.Sorted(maps.Keys(r.Header)) {
				for _, value := range r.Header[name] {
					fmt.Fprintf(&raw, "%s: %s\r\n", name, value)
				}
			}
			fmt.Fprintf(&raw, "\r\n%s", r.Body)
			again, err := Parse(raw.Bytes(), nil)
			if err != nil {
				t.Fatalf("%v\n%s", err, &raw)
			}
			if b := again[0]; b.Method != r.Method || b.URL != r.URL || b.Path != r.Path || b.Query != r.Query || !bytes.Equal(b.Body, r.Body) || !maps.EqualFunc(b.Header, r.Header, slices.Equal) {
				t.Errorf("%+v is written as\n%s\nand read as %+v", r, &raw, b)
			}
		}
	})
}
