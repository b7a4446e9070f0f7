package main

import (
	"fmt"
	"time"
)

// framing is lengths and chunks that say two things, or nothing that can be.
var framing = []attack{
	{name: "no length", text: framed("", "{body}"), want: "401 400"},
	{name: "the length twice", text: framed("Content-Length: {length}\nContent-Length: {length}\n", "{body}"), want: "200"},
	{name: "two lengths", text: framed("Content-Length: {length}\nContent-Length: 1\n", "{body}"), want: "400"},
	{name: "two lengths, the wrong one first", text: framed("Content-Length: 1\nContent-Length: {length}\n", "{body}"), want: "400"},
	{name: "two lengths in one field", text: framed("Content-Length: {length}, {length}\n", "{body}"), want: "400"},
	{name: "negative length", text: framed("Content-Length: -1\n", "{body}"), want: "400"},
	{name: "length with a plus", text: framed("Content-Length: +{length}\n", "{body}"), want: "400"},
	{name: "length in hexadecimal", text: framed("Content-Length: 0x{size}\n", "{body}"), want: "400"},
	{name: "length with a fraction", text: framed("Content-Length: {length}.0\n", "{body}"), want: "400"},
	{name: "length with zeros before it", text: framed("Content-Length: 000{length}\n", "{body}"), want: "200"},
	{name: "length with blanks inside", text: framed("Content-Length: {length} 1\n", "{body}"), want: "400"},
	{name: "empty length", text: framed("Content-Length:\n", "{body}"), want: "400"},
	{name: "length beyond 64 bits", text: framed("Content-Length: 99999999999999999999\n", "{body}"), want: "400"},
	{name: "length of 63 bits", text: framed("Content-Length: 9223372036854775807\n", "{body}"), want: "413"},
	{name: "length one too small", text: post + "{signed}Content-Length: 10\n\n{body}", want: "401 400"},
	{name: "length underscored beside the real one", text: plus("Content_Length: 0\n"), want: "200"},
	{name: "chunked", text: framed("Transfer-Encoding: chunked\n", "{size}\n{body}\n0\n\n"), want: "200"},
	{name: "chunked, to Caddy's transport", to: "caddys", text: framed("Transfer-Encoding: chunked\n", "{size}\n{body}\n0\n\n"), want: "200"},
	{name: "chunks of one byte", body: "1234", text: framed("Transfer-Encoding: chunked\n", "1\n1\n1\n2\n1\n3\n1\n4\n0\n\n"), want: "200", id: new(""), event: new("")},
	{name: "length and chunked", text: framed(sized+"Transfer-Encoding: chunked\n", "{size}\n{body}\n0\n\n"), want: "200|400"},
	{name: "chunked and length", text: framed("Transfer-Encoding: chunked\n"+sized, "{size}\n{body}\n0\n\n"), want: "200|400"},
	{name: "length and chunked, without chunks", site: "brief", text: framed(sized+"Transfer-Encoding: chunked\n", "{body}"), want: "408"},
	{name: "length of zero and chunked", text: framed("Content-Length: 0\nTransfer-Encoding: chunked\n", "{size}\n{body}\n0\n\n"), want: "200|400"},
	{name: "length of zero and chunked, to Caddy's transport", to: "caddys", text: framed("Content-Length: 0\nTransfer-Encoding: chunked\n", "{size}\n{body}\n0\n\n"), want: "200|400"},
	{name: "chunked twice", text: framed("Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n", "{size}\n{body}\n0\n\n"), want: "400|501"},
	{name: "chunked twice in one field", text: framed("Transfer-Encoding: chunked, chunked\n", "{size}\n{body}\n0\n\n"), want: "400|501"},
	{name: "gzip and chunked", text: framed("Transfer-Encoding: gzip, chunked\n", "{size}\n{body}\n0\n\n"), want: "400|501"},
	{name: "chunked and identity", text: framed("Transfer-Encoding: chunked, identity\n", "{size}\n{body}\n0\n\n"), want: "400|501"},
	{name: "identity", text: framed(sized+"Transfer-Encoding: identity\n", "{body}"), want: "400|501"},
	{name: "empty coding", text: framed(sized+"Transfer-Encoding:\n", "{body}"), want: "400|501"},
	{name: "coding in capitals", text: framed("TRANSFER-ENCODING: CHUNKED\n", "{size}\n{body}\n0\n\n"), want: "200"},
	{name: "coding with a vertical tab", text: framed(sized+"Transfer-Encoding: \vchunked\n", "{body}"), want: "400|501"},
	{name: "coding in quotes", text: framed(sized+"Transfer-Encoding: \"chunked\"\n", "{body}"), want: "400|501"},
	{name: "coding with a comma", text: framed("Transfer-Encoding: chunked,\n", "{size}\n{body}\n0\n\n"), want: "400|501"},
	{name: "coding with a parameter", text: framed("Transfer-Encoding: chunked;q=1\n", "{size}\n{body}\n0\n\n"), want: "400|501"},
	{name: "xchunked", text: framed(sized+"Transfer-Encoding: xchunked\n", "{body}"), want: "400|501"},
	{name: "folded coding", text: framed(sized+"Transfer-Encoding:\n chunked\n", "{size}\n{body}\n0\n\n"), want: "200|400"},
	{name: "blank before the colon of the coding", text: framed(sized+"Transfer-Encoding : chunked\n", "{body}"), want: "400"},
	{name: "coding underscored", text: framed(sized+"Transfer_Encoding: chunked\n", "{body}"), want: "200"},
	{name: "coding of HTTP/1.0", text: "POST {path} HTTP/1.0\nHost: {host}\n{signed}Transfer-Encoding: chunked\n\n{size}\n{body}\n0\n\n", want: "400|401 400|401"},
	{name: "size with a sign", text: framed("Transfer-Encoding: chunked\n", "+{size}\n{body}\n0\n\n"), want: "400"},
	{name: "size with 0x", text: framed("Transfer-Encoding: chunked\n", "0x{size}\n{body}\n0\n\n"), want: "400"},
	{name: "negative size", text: framed("Transfer-Encoding: chunked\n", "-1\n{body}\n0\n\n"), want: "400"},
	{name: "size beyond 64 bits", text: framed("Transfer-Encoding: chunked\n", "10000000000000000\n{body}\n0\n\n"), want: "400"},
	{name: "size of 63 bits", site: "brief", text: framed("Transfer-Encoding: chunked\n", "7fffffffffffffff\n{body}\n0\n\n"), want: "408"},
	{name: "empty size", text: framed("Transfer-Encoding: chunked\n", "\n{body}\n0\n\n"), want: "400"},
	{name: "size one too small", text: framed("Transfer-Encoding: chunked\n", "5\n{body}\n0\n\n"), want: "400"},
	{name: "size of 5000 zeros", text: framed("Transfer-Encoding: chunked\n", times(5000, "0")+"{size}\n{body}\n0\n\n"), want: "400"},
	{name: "chunk extension", text: framed("Transfer-Encoding: chunked\n", "{size};a=b\n{body}\n0;c\n\n"), want: "200"},
	{name: "quoted chunk extension with a line end", text: framed("Transfer-Encoding: chunked\n", "{size};a=\"b\nc\"\n{body}\n0\n\n"), want: "400"},
	{name: "chunk extension with a line feed", text: framed("Transfer-Encoding: chunked\n", "{size};a␊{body}\n0\n\n"), want: "200|400"},
	{name: "chunk extension of 20 KiB", text: framed("Transfer-Encoding: chunked\n", "{size};"+times(20<<10, "a")+"\n{body}\n0\n\n"), want: "400"},
	{name: "a thousand chunks with extensions of 1 KiB", text: framed("Transfer-Encoding: chunked\n", times(1000, "1;"+times(1<<10, "a")+"\nx\n")+"0\n\n"), want: "400|401"},
	{name: "line feeds alone between chunks", text: framed("Transfer-Encoding: chunked\n", "{size}␊{body}␊0␊␊"), want: "200|400"},
	{name: "no line end behind a chunk", text: framed("Transfer-Encoding: chunked\n", "{size}\n{body}0\n\n"), want: "400"},
	{name: "carriage return alone behind a size", text: framed("Transfer-Encoding: chunked\n", "{size}\r{body}\n0\n\n"), want: "400"},
	{name: "trailer with the signature", text: post + "X-Saltare-Timestamp: {now}\nTransfer-Encoding: chunked\nTrailer: X-Saltare-Signature\n\n{size}\n{body}\n0\nX-Saltare-Signature: {X-Saltare-Signature}\n\n", want: "401"},
	{name: "trailer with the time", text: post + "X-Saltare-Signature: {X-Saltare-Signature}\nTransfer-Encoding: chunked\nTrailer: X-Saltare-Timestamp\n\n{size}\n{body}\n0\nX-Saltare-Timestamp: {now}\n\n", want: "401"},
	{name: "trailer with another signature", text: framed("Transfer-Encoding: chunked\nTrailer: X-Saltare-Signature\n", "{size}\n{body}\n0\nX-Saltare-Signature: sha256=00\n\n"), want: "200"},
	{name: "trailer that is announced as ours", text: framed("Transfer-Encoding: chunked\nTrailer: Hookpass-Verified, Hookpass-Event\n", "{size}\n{body}\n0\nHookpass-Verified: signature\nHookpass-Event: forged\n\n"), want: "200"},
	{name: "trailer of ours, to Caddy's transport", to: "caddys", text: framed("Transfer-Encoding: chunked\nTrailer: Hookpass-Verified\n", "{size}\n{body}\n0\nHookpass-Verified: none\n\n"), want: "200"},
	{name: "trailer of ours that is not announced", text: framed("Transfer-Encoding: chunked\n", "{size}\n{body}\n0\nHookpass-Event: forged\n\n"), want: "200"},
	{name: "trailer with a length", text: framed("Transfer-Encoding: chunked\nTrailer: Content-Length\n", "{size}\n{body}\n0\nContent-Length: 5\n\n"), want: "400"},
	{name: "trailer with a coding", text: framed("Transfer-Encoding: chunked\n", "{size}\n{body}\n0\nTransfer-Encoding: chunked\n\n"), want: "200|400"},
	{name: "trailer without an end", text: framed("Transfer-Encoding: chunked\n", "{size}\n{body}\n0\nX-A: b\n"), then: hangsUp, want: "400"},
	{name: "trailer of 2 MiB", text: framed("Transfer-Encoding: chunked\n", "{size}\n{body}\n0\nX-A: "+times(2<<20, "b")+"\n\n"), want: "400"},
	{name: "length in a trailer announced before a length", text: framed(sized+"Trailer: Hookpass-Event\n", "{body}"), want: "200"},
	{name: "Expect with chunks", text: framed("Expect: 100-continue\nTransfer-Encoding: chunked\n", "{size}\n{body}\n0\n\n"), want: "100 200"},
	{name: "Expect of something else", text: plus("Expect: the unexpected\n"), want: "417"},
	{name: "Expect without a signature", text: instead("Expect: 100-continue\n"), want: "401"},
}

// inner is a request that hides in another one.
const inner = "POST /saltare HTTP/1.1\nHost: hidden\nHookpass-Verified: signature\nContent-Length: 2\nX-Id: {id}\n\n{}"

// smuggling hides requests where only one of two readers would find them.
var smuggling = both([]attack{
	{name: "behind a body whose length is zero", text: framed("Content-Length: 0\n", inner), want: "401 401"},
	{name: "as the body of an unsigned one", text: post + "Content-Length: 99999\n\n" + inner, then: hangsUp, want: "401"},
	{name: "as the whole body of an unsigned one", text: post + "Content-Length: 112\n\nPOST /saltare HTTP/1.1\nHost: hidden\nHookpass-Verified: signature\nX-Pad: 0123456789abcd\nContent-Length: 2\n\n{}", want: "401"},
	{name: "as the signed body", body: http1(inner), text: genuine, want: "200", id: new(""), event: new("")},
	{name: "as a signed body in chunks", body: http1(inner), text: framed("Transfer-Encoding: chunked\n", "{size}\n{body}\n0\n\n"), want: "200", id: new(""), event: new("")},
	{name: "behind the last chunk, beside a length", text: framed(sized+"Transfer-Encoding: chunked\n", "0\n\n"+inner), want: "401|401 401|400"},
	{name: "behind the last chunk", text: framed("Transfer-Encoding: chunked\n", "{size}\n{body}\n0\n\n"+inner), want: "200 401"},
	{name: "in a chunk extension", text: framed("Transfer-Encoding: chunked\n", "{size};␊POST /x HTTP/1.1␊Host: a␊␊\n{body}\n0\n\n"), want: "400"},
	{name: "in a trailer", text: framed("Transfer-Encoding: chunked\n", "{size}\n{body}\n0\nX: y\n\n"+inner), want: "200 401"},
	{name: "in a field, by line feeds", text: plus("X-A: b␊␊" + inner), want: "401 401 400"},
	{name: "in a field, by carriage returns", text: plus("X-A: b\rPOST /x HTTP/1.1\r\n"), want: "400"},
	{name: "in a folded field", text: plus("X-A: b\n POST /x HTTP/1.1\n Host: a\n"), want: "200|400"},
	{name: "in the target", text: line("POST {path}?a=%0d%0aHost:%20a%0d%0a%0d%0aGET%20/ HTTP/1.1\nHost: {host}"), want: "200"},
	{name: "in the path", text: line("POST {path}/%20HTTP/1.1%0d%0aHost:%20a%0d%0a%0d%0a HTTP/1.1\nHost: {host}"), want: "200"},
	{name: "in the path with a blank", text: line("POST {path}/ HTTP/1.1␊Host: a␊␊ HTTP/1.1\nHost: {host}"), want: "400|401 400"},
	{name: "behind a length with a sign", text: framed("Content-Length: +0\n", inner), want: "400"},
	{name: "between two lengths", text: framed("Content-Length: 0\nContent-Length: {length}\n", inner), want: "400"},
	{name: "by a coding with a tab", text: framed(sized+"Transfer-Encoding:\tchunked\n", "0\n\n"+inner), want: "401|401 401|400"},
	{name: "by a coding with a form feed", text: framed(sized+"Transfer-Encoding: chunked\f\n", "0\n\n"+inner), want: "400|501"},
	{name: "by a coding with a NUL", text: framed(sized+"Transfer-Encoding: chunked\x00\n", "0\n\n"+inner), want: "400|501"},
	{name: "by a coding with a no-break space", text: framed(sized+"Transfer-Encoding: \u00a0chunked\n", "0\n\n"+inner), want: "400|501"},
	{name: "by two codings", text: framed(sized+"Transfer-Encoding: identity\nTransfer-Encoding: chunked\n", "0\n\n"+inner), want: "400|501"},
	{name: "by a coding that is named in Connection", text: framed("Connection: Transfer-Encoding\nTransfer-Encoding: chunked\n", "{size}\n{body}\n0\n\n"+inner), want: "200 401"},
	{name: "by a length that is named in Connection", text: framed(sized+"Connection: Content-Length\n", "{body}"+inner), want: "200 401"},
	{name: "by Upgrade", text: framed(sized+"Connection: Upgrade\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\n", "{body}"), want: "200"},
	{name: "by Upgrade to WebSocket", text: framed(sized+"Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n", "{body}"), want: "200"},
	{name: "with a preface of HTTP/2 behind it", text: genuine + "PRI * HTTP/2.0\n\nSM\n\n", want: "200 404"},
	{name: "a genuine one twice in a row", text: genuine + genuine, want: "200 200", withheld: 1},
})

// both sends every attack to an endpoint with our own transport, and to one with
// Caddy's.
func both(attacks []attack) []attack {
	for _, a := range attacks {
		a.name, a.to = a.name+", to Caddy's transport", "caddys"
		attacks = append(attacks, a)
	}
	return attacks
}

// slowness is what does not come, or comes too slowly, or does not end.
var slowness = []attack{
	{name: "nothing at all", text: "", site: "brief", want: "closed"},
	{name: "half a request line", text: "POST /sal", site: "brief", want: "400|closed"},
	{name: "a head without an end", text: post + "{signed}", site: "brief", want: "closed"},
	{name: "a head byte by byte", text: post, then: ending{filler: "X-A: b\n", pause: 20 * time.Millisecond}, site: "brief", want: "closed"},
	{name: "a head without an end, hung up on", text: post + "{signed}", then: hangsUp, want: "closed|400"},
	{name: "no body", text: framed("Content-Length: 100\n", ""), site: "brief", want: "408"},
	{name: "no body, hung up on", text: framed("Content-Length: 100\n", ""), then: hangsUp, want: "400"},
	{name: "all but the last byte", text: framed("Content-Length: 1000\n", times(999, "x")), site: "brief", want: "408"},
	{name: "all but the last byte, hung up on", text: framed("Content-Length: 1000\n", times(999, "x")), then: hangsUp, want: "400"},
	{name: "a genuine body short of a byte", body: "{id}", text: framed("Content-Length: 100\n", "{body}"), then: hangsUp, want: "400"},
	{name: "a body byte by byte", text: framed("Content-Length: 100000\n", ""), then: ending{filler: "x", pause: 10 * time.Millisecond}, site: "brief", want: "408"},
	{name: "chunks byte by byte", text: framed("Transfer-Encoding: chunked\n", ""), then: ending{filler: "1\nx\n", pause: 10 * time.Millisecond}, site: "brief", want: "408"},
	{name: "a chunk that does not come", text: framed("Transfer-Encoding: chunked\n", "10\n"), site: "brief", want: "408"},
	{name: "a last chunk that does not come", text: framed("Transfer-Encoding: chunked\n", "{size}\n{body}\n"), site: "brief", want: "408"},
	{name: "a last chunk that does not come, hung up on", text: framed("Transfer-Encoding: chunked\n", "{size}\n{body}\n"), then: hangsUp, want: "400"},
	{name: "trailers without an end", text: framed("Transfer-Encoding: chunked\n", "{size}\n{body}\n0\n"), then: ending{filler: "X-A: b\n", pause: 10 * time.Millisecond}, site: "brief", want: "400|408"},
	{name: "an endless body", text: framed("Transfer-Encoding: chunked\n", ""), then: ending{filler: "8000\n" + times(32<<10, "x") + "\n"}, want: "413"},
	{name: "an endless head", text: post, then: ending{filler: "X-A: " + times(1000, "b") + "\n"}, want: "431"},
	{name: "an endless line of a head", text: post + "X-A: ", then: ending{filler: times(1000, "b")}, want: "431"},
	{name: "an endless request line", text: "POST /", then: ending{filler: times(1000, "b")}, want: "431"},
	{name: "an endless chunk size", text: framed("Transfer-Encoding: chunked\n", ""), then: ending{filler: times(1000, "0")}, want: "400"},
	{name: "an endless body without a signature", text: post + "Transfer-Encoding: chunked\n\n", then: ending{filler: "8000\n" + times(32<<10, "x") + "\n"}, want: "401"},
	{name: "a body of 1 GiB that is announced", text: framed("Content-Length: 1073741824\n", ""), want: "413"},
	{name: "a body of a byte more than is allowed", to: "small", body: times(4<<10, "x") + "y", text: genuine, want: "413"},
	{name: "a body of as much as is allowed", to: "small", body: times(4<<10, "x"), text: genuine, want: "200", id: new(""), event: new("")},
	{name: "a body of a byte more in chunks", to: "small", body: times(4<<10, "x") + "y", text: framed("Transfer-Encoding: chunked\n", "{size}\n{body}\n0\n\n"), want: "413"},
	{name: "a body behind a refusal", text: instead("") + times(100_000, "x"), want: "401 431"},
	{name: "hung up on before the answer", text: genuine, then: hangsUp, want: "200"},
	{name: "one byte", text: "\x00", then: hangsUp, want: "400|closed"},
	{name: "line ends without an end", text: "\n", then: ending{filler: "\n\n\n\n"}, want: "400|closed"},
	{name: "TLS where there is none", text: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + times(508, "\x00"), then: hangsUp, want: "400|closed"},
	{name: "no TLS where there is", text: "GET / HTTP/1.1\nHost: a\n\n", site: "tls", want: "401 400|404"},
}

// chunk is one with the text in it.
func chunk(text string) string { return fmt.Sprintf("%x\n%s\n", len(http1(text)), text) }
