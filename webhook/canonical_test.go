package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// The texts were made with Node, by JSON.stringify(JSON.parse(text)) and what
// sorts the members, and with Python, by json.dumps with a slash behind a backslash.
func TestCanonicalJSON(t *testing.T) {
	sorted, php := canonical{sorted: true}, canonical{php: true}
	for _, tt := range []struct {
		name, text string
		form       canonical
		want       string
	}{
		{"members", `{"b":1,"a":{"d":[],"c":{}},"ab":2}`, sorted, `{"a":{"c":{},"d":[]},"ab":2,"b":1}`},
		{"members in arrays", `[{"b":1,"a":2},[{"d":1,"c":2}]]`, sorted, `[{"a":2,"b":1},[{"c":2,"d":1}]]`},
		{"order that stays", `{"b":1,"a":2}`, php, `{"b":1,"a":2}`},
		{"one name before its beginning", `{"a b":1,"a":2}`, sorted, `{"a":2,"a b":1}`},
		{"repeated names", `{"b":1,"a":2,"b":3}`, sorted, `{"a":2,"b":1,"b":3}`},
		{"blanks", " {\n\t\"a\" : [ 1 , true,null ] }\r\n", sorted, `{"a":[1,true,null]}`},
		{"numbers", `[10,10.0,-0,1e2,12345678901234567890]`, sorted, `[10,10.0,-0,1e2,12345678901234567890]`},
		{"a text alone", ` "a" `, sorted, `"a"`},
		{"a number alone", ` 7 `, php, `7`},
		{"escapes that need not be", `"\u003c\u003e\u0026\/\u00e9\u2028"`, sorted, "\"<>&/é\u2028\""},
		{"escapes that must be", `"\u0022\\\u005c\b\u000C\n\r\t\u0000\u001F\u007f"`, sorted, `"\"\\\\\b\f\n\r\t\u0000\u001f` + "\x7f" + `"`},
		{"beyond the first plane", `"\uD83D\ude80🚀"`, sorted, `"🚀🚀"`},
		{"half a pair", `"\ud83d-\ude80\ude80\ud83d\u0041"`, sorted, `"\ud83d-\ude80\ude80\ud83dA"`},
		{"names", `{"\u00e9":1}`, sorted, `{"é":1}`},
		{"text beyond ASCII, in PHP", `{"é/":"\u00C9\/🚀` + "\u2028\x7f" + `"}`, php, `{"\u00e9\/":"\u00c9\/\ud83d\ude80\u2028` + "\x7f" + `"}`},
		{"escapes in PHP", `"\u0022\u005c\b\f\n\r\t\u0001"`, php, `"\"\\\b\f\n\r\t\u0001"`},
		{"half a pair in PHP", `"\uD83D-"`, php, `"\ud83d-"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := canonicalJSON([]byte(tt.text), tt.form); err != nil || got != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
		})
	}
	for _, text := range []string{"", "{", `{"a":1}}`, `{"a":"` + "\xff" + `"}`, strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2)} {
		if got, err := canonicalJSON([]byte(text), sorted); !errors.Is(err, ErrSignatureMalformed) {
			t.Errorf("%s: got %s, %v", text, got, err)
		}
	}
}

// What is written anew says the same, and is then as it has to be.
func FuzzCanonicalJSON(f *testing.F) {
	f.Add([]byte(`{"b":[1,{"é":"\u00e9\/"}],"a":null}`))
	f.Add([]byte("[\"\\ud83d\\ude80\\ud83d\", -1e5, {\"\": \"\x7f\"}] "))
	decode := func(t *testing.T, text []byte) (v any) {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return v
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, form := range []canonical{{sorted: true}, {php: true}} {
			written, err := canonicalJSON(text, form)
			if err != nil {
				continue
			}
			if again, err := canonicalJSON([]byte(written), form); err != nil || again != written {
				t.Errorf("%s becomes %s, then %s, %v", text, written, again, err)
			}
			if !reflect.DeepEqual(decode(t, text), decode(t, []byte(written))) {
				t.Errorf("%s becomes %s", text, written)
			}
			if form.php && strings.IndexFunc(written, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
				t.Errorf("%s becomes %s", text, written)
			}
		}
	})
}

func TestSignedJSON(t *testing.T) {
	whole := Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{json_sorted}", DeliveryID: "body id"}
	part := whole
	part.Signed, part.DeliveryID = "{json_php:data}", "body data.id"
	for _, tt := range []struct {
		name   string
		scheme Scheme
		signed string
		body   string
		want   error
	}{
		{"whole", whole, `{"a":"é","id":1}`, "{\"id\": 1,\n\"a\": \"\\u00e9\"}", nil},
		{"whole, a number written otherwise", whole, `{"a":1}`, `{"a":1.0}`, ErrSignatureMismatch},
		{"whole, a repeated name", whole, `{"a":1}`, `{"a":1,"a":1}`, ErrSignatureMismatch},
		{"whole, something behind it", whole, `{"a":1}`, `{"a":1}{}`, ErrSignatureMalformed},
		{"whole, none", whole, "", "", ErrSignatureMalformed},
		{"part", part, `{"a":"\u00e9","id":1}`, `{"data":{"a":"é", "id":1},"other":1}`, nil},
		{"part in another order", part, `{"a":"\u00e9","id":1}`, `{"data":{"id":1,"a":"é"}}`, ErrSignatureMismatch},
		{"part, a second one behind it", part, `{"a":1}`, `{"data":{"a":1},"Data":{"a":2}}`, ErrSignatureMalformed},
		{"part, none", part, "", `{"other":1}`, ErrSignatureMalformed},
		{"part, a text", part, `"x"`, `{"data":"x"}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &Request{Header: http.Header{"X-Sig": {hex.EncodeToString(sum(sha256.New, "key", tt.signed))}}, Body: []byte(tt.body)}
			if _, err := mustVerifier(t, tt.scheme, nil).Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	for signsID, s := range map[bool]Scheme{true: part, false: {Type: TypeHMAC, Algorithm: "sha256", Signature: "header X-Sig", Encoding: "hex", Signed: "{json_php:data}", DeliveryID: "body database.id"}} {
		if facts, err := s.Facts(); err != nil || !facts.SignsBody || facts.SignsID != signsID {
			t.Errorf("%s: %+v, %v", s.DeliveryID, facts, err)
		}
	}
	if facts, err := whole.Facts(); err != nil || !facts.SignsBody || !facts.SignsID {
		t.Errorf("%+v, %v", facts, err)
	}
	part.Signed = "{json_php:}"
	if _, err := part.Facts(); !errors.Is(err, ErrScheme) {
		t.Errorf("no path: %v", err)
	}
}
