package capture

import (
	"errors"
	"io/fs"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// parse reads a capture of one request.
func parse(t *testing.T, text string) Request {
	t.Helper()
	all, err := Parse([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Fatalf("%d requests", len(all))
	}
	return all[0]
}

func TestTheSameRequestInEveryForm(t *testing.T) {
	const body = "{\"a\": \"é ☕ \\u00e9 'q'\"}"
	for name, text := range map[string]string{
		"raw":                    "POST /in?a=%20b HTTP/1.1\r\nHost: hooks.example.com\r\nContent-Type: application/json\r\nX-Sig:  s1\r\nX-Sig: s2 \r\n\r\n" + body,
		"raw with LF":            "POST /in?a=%20b HTTP/1.1\nhost: hooks.example.com\ncontent-type: application/json\nX-Sig: s1\nx-sig: s2\n\n" + body,
		"raw of HTTP/2":          "\n\nPOST /in?a=%20b HTTP/2\nHost: hooks.example.com\nContent-Type: application/json\nX-Sig: s1\nX-Sig: s2\n\n" + body,
		"raw with a length":      "POST /in?a=%20b HTTP/1.1\nHost: hooks.example.com\nContent-Type: application/json\nX-Sig: s1\nX-Sig: s2\nContent-Length: 26\n\n" + body + "\r\n\n",
		"raw to a proxy":         "POST https://hooks.example.com/in?a=%20b HTTP/1.1\nHost: other\nContent-Type: application/json\nX-Sig: s1\nX-Sig: s2\n\n" + body,
		"raw in chunks":          "POST /in?a=%20b HTTP/1.1\nHost: hooks.example.com\nContent-Type: application/json\nX-Sig: s1\nX-Sig: s2\nTransfer-Encoding: chunked\n\n2\r\n{\"\r\n18\r\n" + body[2:] + "\r\n0\r\n\r\n",
		"raw out of chunks":      "POST /in?a=%20b HTTP/1.1\nHost: hooks.example.com\nContent-Type: application/json\nX-Sig: s1\nX-Sig: s2\nTransfer-Encoding: chunked\n\n" + body,
		"with a byte order mark": "\ufeffPOST /in?a=%20b\nHost: hooks.example.com\nContent-Type: application/json\nX-Sig: s1\nX-Sig: s2\n\n" + body,
		"curl": "curl 'https://hooks.example.com/in?a=%20b' \\\n  -H 'Content-Type: application/json' -H 'X-Sig: s1' \\\n  --header 'x-sig:s2' \\\n  --data-raw '" +
			strings.ReplaceAll(body, "'", `'\''`) + "'",
		"curl of a browser": `$ curl https://hooks.example.com/in?a=%20b --compressed -sSXPOST -HX-Sig:s1 -H "X-Sig: s2" --json $'{"a": "\u00e9 \xe2\x98\x95 \\u00e9 \'q\'"}' -H 'Accept:'`,
		"HAR": `{"log":{"entries":[{"startedDateTime":"2026-01-01T00:00:00.000Z","request":{"method":"POST","url":"https://hooks.example.com/in?a=%20b",
			"headers":[{"name":":method","value":"POST"},{"name":"host","value":"x"},{"name":"content-type","value":"application/json"},{"name":"X-Sig","value":"s1"},{"name":"x-sig","value":"s2"}],
			"postData":{"mimeType":"application/json","text":"{\"a\": \"é ☕ \\u00e9 'q'\"}"}}}]}}`,
		"HAR in base64": `{"log":{"entries":[{"request":{"method":"POST","url":"https://hooks.example.com/in?a=%20b#part",
			"headers":[{"name":"content-type","value":"application/json"},{"name":"X-Sig","value":"s1"},{"name":"x-sig","value":"s2"}],
			"postData":{"encoding":"base64","text":"eyJhIjogIsOpIOKYlSBcdTAwZTkgJ3EnIn0="}}}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := parse(t, text)
			if string(r.Body) != body {
				t.Errorf("the body is %q", r.Body)
			}
			if r.Method != http.MethodPost || r.URL != "https://hooks.example.com/in?a=%20b" || r.Path != "/in" || r.Query != "a=%20b" {
				t.Errorf("%s %s, path %s, query %s", r.Method, r.URL, r.Path, r.Query)
			}
			r.Header.Del("Content-Length")
			want := http.Header{"Content-Type": {"application/json"}, "X-Sig": {"s1", "s2"}}
			if !reflect.DeepEqual(r.Header, want) {
				t.Errorf("the header is %v", r.Header)
			}
			if want := (time.Time{}); name == "HAR" {
				want = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
				if !r.Time.Equal(want) {
					t.Errorf("it was sent at %s", r.Time)
				}
			} else if r.Time != want {
				t.Errorf("it was sent at %s", r.Time)
			}
		})
	}
}

func TestAHARHasSeveralRequests(t *testing.T) {
	all, err := Parse([]byte(`{"log":{"entries":[{"request":{"method":"GET","url":"http://a/"}},{"request":{"method":"POST","url":"http://b"}}]}}`), nil)
	if err != nil || len(all) != 2 || all[0].URL != "http://a/" || all[1].URL != "http://b/" || all[1].Path != "/" {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestWhereARawRequestWentTo(t *testing.T) {
	for text, want := range map[string]string{
		"POST /in HTTP/1.1\nHost: a.example:8443\n\n":                   "https://a.example:8443/in",
		"POST /in HTTP/1.1\nHost: a.example\nX-Forwarded-Proto: http\n": "http://a.example/in",
		"POST /in?a=b HTTP/1.1\n\n":                                     "/in?a=b",
		"POST /a%2Fb/%C3%A9 HTTP/1.1\nHost: a.example":                  "https://a.example/a%2Fb/%C3%A9",
	} {
		r := parse(t, text)
		if r.URL != want {
			t.Errorf("%q went to %s, not %s", text, r.URL, want)
		}
		if err := r.Address("https://public.example/hooks?x=y"); err != nil || r.URL != "https://public.example/hooks?x=y" || r.Path != "/hooks" || r.Query != "x=y" {
			t.Errorf("%+v, %v", r, err)
		}
	}
	r := parse(t, "POST /in\n\n")
	for _, address := range []string{"", "/in", "hooks.example.com", "ftp://a.example/", "https://", "https://a b/"} {
		if err := r.Address(address); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestABodyInAFile(t *testing.T) {
	files := func(name string) ([]byte, error) {
		if name != "body.json" {
			return nil, fs.ErrNotExist
		}
		return []byte("{\r\n\"a\":1}\n"), nil
	}
	for option, want := range map[string]string{
		"--data-binary @body.json":      "{\r\n\"a\":1}\n",
		"--json @body.json":             "{\r\n\"a\":1}\n",
		"-d @body.json":                 `{"a":1}`,
		"--data-raw @body.json":         "@body.json",
		"-d a=b --data-raw c=d":         "a=b&c=d",
		"--json '{' --json '}'":         "{}",
		"--data-urlencode 'a= b&/é'":    "a=+b%26%2F%C3%A9",
		"--data-urlencode '=a b'":       "a+b",
		"--data-urlencode 'a b'":        "a+b",
		"-d 'a\nb'":                     "a\nb",
		`-d "a\"b\\c\d` + "\\\n" + `e"`: `a"b\c\de`,
		"-d ''":                         "",
	} {
		all, err := Parse([]byte("curl http://a/ "+option), files)
		if err != nil || string(all[0].Body) != want || all[0].Method != http.MethodPost {
			t.Errorf("%s: %q, %v; want %q", option, all[0].Body, err, want)
		}
	}
	if _, err := Parse([]byte("curl http://a/ -d @none"), files); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNotAWholeRequest(t *testing.T) {
	for text, says := range map[string]string{
		"":                                     "it is empty",
		" \n":                                  "it is empty",
		"hello":                                "is no line such as POST /in HTTP/1.1",
		"POST in HTTP/1.1\n":                   `"in" is no path`,
		"POST /in HTTP/1.1 x\n":                "is no line such as",
		"PO(ST /in\n":                          "is no method",
		"POST /in\nbody":                       "an empty line must stand before the body",
		"POST /in\nX Y: z\n\n":                 `"X Y" is no header field`,
		"POST /in\nX-Y: a\x00b\n":              `"X-Y" is no header field`,
		"POST /in\nHost: a b\n\n":              "is no address",
		"POST /in\nContent-Length: 5\n\nab":    "the body has 2 bytes and Content-Length says 5",
		"POST /in\nContent-Length: 2\n\nabc\n": "the body has 4 bytes and Content-Length says 2",
		"POST /in\nContent-Length: -1\n\n":     `Content-Length is "-1"`,
		`{"a"`:                                 "it begins like a HAR, but",
		`{"type":"event"}`:                     "no HAR with requests",
		`{"log":{"entries":[{}]}}`:             `"" is no method`,
		`{"log":{"entries":[{"request":{"method":"POST","url":"/in"}}]}}`:                                                  "entry 1: no captured request: \"/in\" is no address",
		`{"log":{"entries":[{"request":{"method":"POST","url":"http://a","postData":{"params":[{"name":"a"}]}}}]}}`:        "has the fields of the form, but not its bytes",
		`{"log":{"entries":[{"request":{"method":"POST","url":"http://a","postData":{"encoding":"base64","text":"?"}}}]}}`: "not the base64",
		"curl":                               "no address",
		"curl http://a http://b":             "two addresses",
		"curl http://a -d":                   "-d lacks its value",
		"curl http://a --data":               "--data lacks its value",
		"curl http://a -F a=b":               "curl's -F is not understood here",
		"curl http://a --form a=b":           "curl's --form is not understood here",
		"curl http://a --bare x":             "curl's --bare is not understood here",
		"curl http://a -d @body.json":        "its body in the file body.json, which is not at hand",
		"curl http://a --data-urlencode a@b": "encodes a file",
		"curl http://a -H @fields":           "header fields in a file",
		"curl http://a -H nothing":           "is no header field",
		"curl http://a -d '":                 "a ' of the command has no end",
		"curl http://a -d \"a":               "a \" of the command has no end",
		"curl http://a -d $'a":               "a $' of the command has no end",
		"curl http://a -d $BODY":             "a variable or another command",
		"curl http://a -d \"$(date)\"":       "a variable or another command",
		"curl http://a -d `date`":            "a variable or another command",
		"curl http://a | jq":                 "\"|\" outside of quotes",
		"curl http://a\\":                    "ends in a backslash",
		"curl ftp://a":                       "is no address",
	} {
		_, err := Parse([]byte(text), nil)
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %s", text, err, says)
		}
	}
}
