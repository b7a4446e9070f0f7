package main

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"strconv"
	"strings"
)

// contents is bodies with a genuine signature, made to be read in two ways, or to
// cost their reader dearly.
var contents = []attack{
	{name: "empty", body: " ", text: genuine, want: "200", id: new(""), event: new("")},
	{name: "no JSON", body: "hello", text: genuine, want: "200", id: new(""), event: new("")},
	{name: "NUL alone", body: "\x00", text: genuine, want: "200", id: new(""), event: new("")},
	{name: "invalid UTF-8", body: "\xff\xfe\xfd", text: genuine, want: "200", id: new(""), event: new("")},
	{name: "invalid UTF-8 inside of an id", body: "{\"event\":\"a\",\"delivery_id\":\"{id}\xff\"}", text: genuine, want: "200", id: new("{id}\xff"), event: new("a")},
	{name: "byte order mark", body: "\ufeff" + usual, text: genuine, want: "200"},
	{name: "UTF-16", body: "{\x00\"\x00a\x00\"\x00:\x001\x00}\x00", text: genuine, want: "200", id: new(""), event: new("")},
	{name: "objects a hundred thousand deep", body: times(100_000, `{"a":`) + "1" + times(100_000, "}"), text: genuine, want: "200", id: new(""), event: new("")},
	{name: "arrays a hundred thousand deep", body: times(100_000, "[") + times(100_000, "]"), text: genuine, want: "200", id: new(""), event: new("")},
	{name: "arrays that are not closed", body: times(500_000, "["), text: genuine, want: "200", id: new(""), event: new("")},
	{name: "a string that is not closed", body: `{"delivery_id":"` + times(10_000, "x"), text: genuine, want: "200", id: new(""), event: new("")},
	{name: "the id twice", body: `{"delivery_id":"{id}","delivery_id":"other","event":"a"}`, text: genuine, want: "200", event: new("a")},
	{name: "the id twice, with an escape", body: `{"delivery_id":"{id}","delivery\u005fid":"other","event":"a"}`, text: genuine, want: "200", event: new("a")},
	{name: "the event twice", body: `{"delivery_id":"{id}","event":"a","event":"b"}`, text: genuine, want: "200", event: new("a")},
	{name: "a hundred thousand members", body: `{` + times(40_000, `"a":1,`) + `"delivery_id":"{id}","event":"a"}`, text: genuine, want: "200", event: new("a")},
	{name: "an id beyond 2^53", body: `{"delivery_id":9007199254740993,"event":"{id}"}`, text: genuine, want: "200", id: new("9007199254740993"), event: new("{id}")},
	{name: "an id next to it is another", body: `{"delivery_id":9007199254740992,"event":"{id}"}`, text: genuine, want: "200", id: new("9007199254740992"), event: new("{id}")},
	{name: "an id of a thousand digits", body: `{"delivery_id":` + times(1000, "9") + `,"event":"a"}`, text: genuine, want: "200", id: new(times(1000, "9")), event: new("a")},
	{name: "an id of two thousand digits", body: `{"delivery_id":` + times(2000, "9") + `,"event":"a"}`, text: genuine, want: "200", id: new(""), event: new("a")},
	{name: "an id with an exponent", body: `{"delivery_id":1e400,"event":"a"}`, text: genuine, want: "200", id: new("1e400"), event: new("a")},
	{name: "an id that is null", body: `{"delivery_id":null,"event":"{id}"}`, text: genuine, want: "200", id: new(""), event: new("{id}")},
	{name: "an id that is an object", body: `{"delivery_id":{"a":1},"event":"{id}"}`, text: genuine, want: "200", id: new(""), event: new("{id}")},
	{name: "an id that is an array", body: `{"delivery_id":["{id}"],"event":"{id}"}`, text: genuine, want: "200", id: new(""), event: new("{id}")},
	{name: "an id that is true", body: `{"delivery_id":true,"event":"{id}"}`, text: genuine, want: "200", id: new("true"), event: new("{id}")},
	{name: "an id with a line end", body: `{"delivery_id":"{id}\r\nX-A: b","event":"a"}`, text: genuine, want: "200", id: new(""), event: new("a")},
	{name: "an id with NUL", body: `{"delivery_id":"{id}\u0000","event":"a"}`, text: genuine, want: "200", id: new(""), event: new("a")},
	{name: "an event with a line end", body: `{"delivery_id":"{id}","event":"a\r\nHookpass-Verified: x"}`, text: genuine, want: "200", event: new("")},
	{name: "an event with a line feed", body: `{"delivery_id":"{id}","event":"a\n\nGET / HTTP/1.1"}`, text: genuine, want: "200", event: new("")},
	{name: "an event of 100 KiB", body: `{"delivery_id":"{id}","event":"` + times(100<<10, "a") + `"}`, text: genuine, want: "200", event: new("")},
	{name: "an event that is a placeholder", body: `{"delivery_id":"{id}","event":"{env.HOME}{http.request.host}"}`, text: genuine, want: "200", event: new("{env.HOME}{http.request.host}")},
	{name: "an event that is a pattern", to: "some", body: `{"delivery_id":"{id}","event":"*"}`, text: genuine, want: "200", withheld: 1},
	{name: "an event that is not wanted", to: "some", body: `{"delivery_id":"{id}","event":"other"}`, text: genuine, want: "200", withheld: 1},
	{name: "an event that is wanted, and one that is not", to: "some", body: `{"delivery_id":"{id}","event":"other","event":"task.created"}`, text: genuine, want: "200", withheld: 1},
	{name: "paths as member names", body: `{"delivery_id":"{id}","event.#.x":"@this|@pretty","event":"a"}`, text: genuine, want: "200", event: new("a")},
	{name: "gzip, opaque", body: packed, text: plus("Content-Encoding: gzip\n"), want: "200", id: new(""), event: new("")},
	{name: "gzip that would be 10 MiB, opaque", body: bomb(10 << 20), text: plus("Content-Encoding: gzip\n"), want: "200", id: new(""), event: new("")},
	{name: "gzip, forged", body: packed, text: instead("Content-Encoding: gzip\nX-Saltare-Timestamp: {now}\nX-Saltare-Signature: sha256=" + times(64, "0") + "\n"), want: "401"},
	{name: "signed plainly, said to be gzip", text: plus("Content-Encoding: gzip\n"), want: "200"},
	{name: "said to be zstd", text: plus("Content-Encoding: zstd\n"), want: "200"},
	{name: "zstd, opaque", body: "\x28\xb5\x2f\xfd\x04\x00\x51\x00\x00hello\x20\x20\x20", text: plus("Content-Encoding: zstd\n"), want: "200", id: new(""), event: new("")},
	{name: "brotli, opaque", body: "\x0b\x02\x80hello\x03", text: plus("Content-Encoding: br\n"), want: "200", id: new(""), event: new("")},
	{name: "deflate ten times over", text: plus("Content-Encoding: " + times(10, "deflate, ") + "gzip\n"), want: "200"},
	{name: "packed twice, signed plainly", text: post + "Content-Encoding: gzip\n{signed}Content-Length: " + strconv.Itoa(len(packed)) + "\n\n" + packed, want: "401"},
	{name: "multipart", body: "--x\r\nContent-Disposition: form-data; name=\"delivery_id\"\r\n\r\n{id}\r\n--x--\r\n", text: plus("Content-Type: multipart/form-data; boundary=x\n"), want: "200", id: new(""), event: new("")},
	{name: "ten thousand parts", body: times(10_000, "--x\r\n\r\n\r\n") + "--x--", text: plus("Content-Type: multipart/form-data; boundary=x\n"), want: "200", id: new(""), event: new("")},
	{name: "multipart without an end", body: "--x\r\n" + times(10_000, "a"), text: plus("Content-Type: multipart/form-data; boundary=x\n"), want: "200", id: new(""), event: new("")},
	{name: "a form that is said to be JSON", body: "delivery_id=1", text: plus("Content-Type: application/json\n"), want: "200", id: new(""), event: new("")},
	{name: "JSON that is said to be a form", text: plus("Content-Type: application/x-www-form-urlencoded\n"), want: "200"},
	{name: "two content types", text: plus("Content-Type: application/json\nContent-Type: application/x-www-form-urlencoded\n"), want: "200"},
	{name: "a charset of its own", text: plus("Content-Type: application/json; charset=utf-7\n"), want: "200"},
	{name: "one byte changed", text: post + "{signed}" + sized + "\n[" + "{body}", want: "401 400|401"},
	{name: "a form of five thousand fields", to: "twilio", body: "MessageSid={id}" + fields(5_000), text: genuine, want: "200"},
	{name: "a form of five thousand equal names", to: "twilio", body: "MessageSid={id}" + times(5_000, "&a=b"), text: genuine, want: "200"},
	{name: "a form of a hundred thousand fields, forged", to: "twilio", text: post + "{signed}Content-Length: 400000\n\n" + times(100_000, "&a=b"), want: "401"},
	{name: "a form with semicolons", to: "twilio", body: "MessageSid={id}", text: post + "{signed}Content-Length: 3\n\na;b", want: "401"},
	{name: "a form with a broken escape", to: "twilio", text: post + "{signed}Content-Length: 3\n\n%zz", want: "401"},
	{name: "a form with its fields moved into the query", to: "twilio", text: "POST {path}?{body} HTTP/1.1\nHost: {host}\n{signed}Content-Length: 0\n\n", want: "401"},
	{name: "JSON in place of a form", to: "twilio", text: post + "X-Twilio-Signature: {X-Twilio-Signature}\nContent-Type: application/json\nContent-Length: 2\n\n{}", want: "401"},
}

// packed is a body of a delivery, compressed.
var packed = pack([]byte(usual))

func pack(text []byte) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(text)
	_ = w.Close()
	return b.String()
}

func bomb(n int) string { return pack(make([]byte, n)) }

func fields(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("&f" + strconv.Itoa(i) + "=" + hex.EncodeToString([]byte{byte(i)}))
	}
	return b.String()
}
