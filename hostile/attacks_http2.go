package main

import "golang.org/x/net/http2"

// malformed is how it is told, as the moment has it.
const malformed = "400|reset|goaway|closed"

// http2Attacks are fields over TLS and, as h2c, without; frames are the same in both.
var http2Attacks = append(overTLS([]attack{
	{name: "genuine", frames: whole(genuineHead), want: "200"},
	{name: "unsigned", frames: whole(pseudo + "content-length: {length}\n"), want: "401"},
	{name: "no length", frames: whole(pseudo + "{lower}"), want: "200"},
	{name: "two lengths", frames: whole(genuineHead + "content-length: 1\n"), want: "200"},
	{name: "length too large", frames: whole(pseudo + "{lower}content-length: 1000\n"), want: malformed},
	{name: "length too small", frames: whole(pseudo + "{lower}content-length: 10\n"), want: malformed},
	{name: "length of zero", frames: whole(pseudo + "{lower}content-length: 0\n"), want: "401|" + malformed},
	{name: "length and nothing", frames: []frame{lastHead(genuineHead)}, want: "401|" + malformed},
	{name: "negative length", frames: whole(pseudo + "{lower}content-length: -1\n"), want: "200|" + malformed},
	{name: "length with a plus", frames: whole(pseudo + "{lower}content-length: +{length}\n"), want: "200|" + malformed},
	{name: "a coding", frames: whole(genuineHead + "transfer-encoding: chunked\n"), want: malformed},
	{name: "a connection", frames: whole(genuineHead + "connection: hookpass-event\n"), want: malformed},
	{name: "keep-alive", frames: whole(genuineHead + "keep-alive: hookpass-event\n"), want: malformed},
	{name: "proxy-connection", frames: whole(genuineHead + "proxy-connection: hookpass-event\n"), want: malformed},
	{name: "upgrade", frames: whole(genuineHead + "upgrade: websocket\n"), want: malformed},
	{name: "te of gzip", frames: whole(genuineHead + "te: gzip\n"), want: malformed},
	{name: "te of trailers", frames: whole(genuineHead + "te: trailers\n"), want: "200"},
	{name: "host beside authority", frames: whole(genuineHead + "host: other.example\n"), want: "200|" + malformed},
	{name: "host in place of authority", frames: whole(":method: POST\n:scheme: {scheme}\n:path: {path}\nhost: {host}\n{lower}"), want: "200|" + malformed},
	{name: "neither host nor authority", frames: whole(":method: POST\n:scheme: {scheme}\n:path: {path}\n{lower}"), want: "200|" + malformed},
	{name: "a line end in a value", frames: whole(genuineHead + "x-a: b␍␊hookpass-event: forged\n"), want: malformed},
	{name: "a line feed in a value", frames: whole(genuineHead + "x-a: b␊␊GET / HTTP/1.1\n"), want: malformed},
	{name: "a line end in a name", frames: whole(genuineHead + "x-a␍␊hookpass-event: b\n"), want: malformed},
	{name: "NUL in a value", frames: whole(genuineHead + "x-a: b\x00\n"), want: malformed},
	{name: "a colon in a name", frames: whole(genuineHead + "x-a:hookpass: b\n"), want: malformed},
	{name: "a blank in a name", frames: whole(genuineHead + "hookpass-event : b\n"), want: malformed},
	{name: "capitals in a name", frames: whole(genuineHead + "Hookpass-Event: forged\n"), want: malformed},
	{name: "fields of ours", frames: whole(genuineHead + "hookpass-event: forged\nhookpass-verified: none\n"), want: "200"},
	{name: "fields of ours with signs", frames: whole(genuineHead + "hookpass!event: forged\nhookpass_event: forged\nhookpass.event: forged\n"), want: "200"},
	{name: "two methods", frames: whole(":method: GET\n" + genuineHead), want: malformed},
	{name: "two paths", frames: whole(":path: /admin\n" + genuineHead), want: malformed},
	{name: "two authorities", frames: whole(":authority: other.example\n" + genuineHead), want: malformed},
	{name: "two schemes", frames: whole(":scheme: ftp\n" + genuineHead), want: malformed},
	{name: "no method", frames: whole(":scheme: {scheme}\n:authority: {host}\n:path: {path}\n{lower}"), want: malformed},
	{name: "no path", frames: whole(":method: POST\n:scheme: {scheme}\n:authority: {host}\n{lower}"), want: malformed},
	{name: "no scheme", frames: whole(":method: POST\n:authority: {host}\n:path: {path}\n{lower}"), want: malformed},
	{name: "empty path", frames: whole(":method: POST\n:scheme: {scheme}\n:authority: {host}\n:path: \n{lower}"), want: malformed},
	{name: "path without a slash", frames: whole(":method: POST\n:scheme: {scheme}\n:authority: {host}\n:path: saltare\n{lower}"), want: malformed},
	{name: "absolute path", frames: whole(":method: POST\n:scheme: {scheme}\n:authority: {host}\n:path: http://other.example/saltare\n{lower}"), want: "404|" + malformed},
	{name: "a line end in the path", frames: whole(":method: POST\n:scheme: {scheme}\n:authority: {host}\n:path: {path} HTTP/1.1␍␊X-A: b\n{lower}"), want: malformed},
	{name: "a blank in the path", frames: whole(":method: POST\n:scheme: {scheme}\n:authority: {host}\n:path: {path}/ HTTP/1.1\n{lower}"), want: "200|" + malformed},
	{name: "a line end in the authority", frames: whole(":method: POST\n:scheme: {scheme}\n:authority: {host}␍␊X-A: b\n:path: {path}\n{lower}"), want: malformed},
	{name: "a user in the authority", frames: whole(":method: POST\n:scheme: {scheme}\n:authority: a@{host}\n:path: {path}\n{lower}"), want: "200|" + malformed},
	{name: "a path in the authority", frames: whole(":method: POST\n:scheme: {scheme}\n:authority: {host}/admin?\n:path: {path}\n{lower}"), want: "200|" + malformed},
	{name: "a line end in the method", frames: whole(":method: POST / HTTP/1.1␍␊X-A: b\n:scheme: {scheme}\n:authority: {host}\n:path: {path}\n{lower}"), want: malformed},
	{name: "a line end in the scheme", frames: whole(":method: POST\n:scheme: http://a/␍␊\n:authority: {host}\n:path: {path}\n{lower}"), want: "200|" + malformed},
	{name: "pseudo field behind others", frames: whole("x-a: b\n" + genuineHead), want: malformed},
	{name: "unknown pseudo field", frames: whole(":hookpass-event: forged\n" + genuineHead), want: malformed},
	{name: "pseudo field of answers", frames: whole(":status: 200\n" + genuineHead), want: malformed},
	{name: "extended CONNECT", frames: whole(":method: CONNECT\n:protocol: websocket\n:scheme: {scheme}\n:authority: {host}\n:path: {path}\n{lower}"), want: "405|" + malformed},
	{name: "CONNECT", frames: []frame{head(":method: CONNECT\n:authority: {host}\n"), lastData("x")}, want: "404|405|" + malformed},
	{name: "TRACE", frames: []frame{lastHead(":method: TRACE\n:scheme: {scheme}\n:authority: {host}\n:path: {path}\n")}, want: "405"},
	{name: "many cookies", frames: whole(genuineHead + times(500, "cookie: a=b\n")), want: "200|431"},
}), []attack{
	{name: "fields of 2 MiB", frames: []frame{{kind: http2.FrameHeaders, fields: genuineHead}, {kind: http2.FrameContinuation, fields: "x-a: " + times(16<<10, "b") + "\n", times: 128, same: true}}, want: "431|" + malformed},
	{name: "a flood of CONTINUATION", frames: []frame{{kind: http2.FrameHeaders, fields: genuineHead}, {kind: http2.FrameContinuation, fields: "x-a: b\n", times: 100_000, same: true}}, want: "431|" + malformed},
	{name: "a flood of empty CONTINUATION", frames: []frame{{kind: http2.FrameHeaders, fields: genuineHead}, {kind: http2.FrameContinuation, times: 20_000, same: true}, {kind: http2.FrameContinuation, flags: http2.FlagContinuationEndHeaders}, lastData("{body}")}, want: "200|431|" + malformed, maybe: true},
	{name: "CONTINUATION in another stream", frames: []frame{{kind: http2.FrameHeaders, fields: genuineHead}, {kind: http2.FrameContinuation, stream: 3, fields: "x-a: b\n"}}, want: malformed},
	{name: "CONTINUATION of nothing", frames: []frame{{kind: http2.FrameContinuation, fields: genuineHead, flags: http2.FlagContinuationEndHeaders}}, want: malformed},
	{name: "data before the head", frames: []frame{data("{body}"), head(genuineHead)}, want: malformed},
	{name: "data behind the end", frames: append(whole(genuineHead), lastData("x")), want: "200|" + malformed, maybe: true},
	{name: "a head inside of a body", frames: []frame{head(genuineHead), head(genuineHead), lastData("{body}")}, want: malformed},
	{name: "trailers with our fields", frames: []frame{head(genuineHead + "trailer: hookpass-event\n"), data("{body}"), lastHead("hookpass-event: forged\n")}, want: "200|reset", maybe: true},
	{name: "trailers with the signature", frames: []frame{head(pseudo + "trailer: x-saltare-signature\n"), data("{body}"), lastHead("{lower}")}, want: "401"},
	{name: "trailers with a pseudo field", frames: []frame{head(genuineHead), data("{body}"), lastHead(":path: /admin\n")}, want: malformed},
	{name: "a body larger than the window", frames: []frame{head(pseudo + "{lower}"), {kind: http2.FrameData, payload: times(16<<10, "x"), times: 1000, same: true}}, want: "413|" + malformed},
	{name: "a body that breaks off", frames: []frame{head(genuineHead), data("x"), {kind: http2.FrameRSTStream, payload: "\x00\x00\x00\x08"}, {kind: http2.FrameGoAway, stream: 0, payload: "\x00\x00\x00\x00\x00\x00\x00\x00"}, {kind: http2.FrameSettings, payload: "x"}}, want: malformed},
	{name: "padding longer than the frame", frames: []frame{{kind: http2.FrameData, flags: http2.FlagDataPadded, payload: "\xff"}}, want: malformed},
	{name: "stream 0", frames: []frame{{kind: http2.FrameHeaders, stream: 0x80000000, flags: http2.FlagHeadersEndHeaders, fields: genuineHead}}, want: malformed},
	{name: "an even stream", frames: []frame{{kind: http2.FrameHeaders, stream: 2, flags: http2.FlagHeadersEndHeaders, fields: genuineHead}}, want: malformed},
	{name: "a stream that was passed", frames: []frame{{kind: http2.FrameHeaders, stream: 5, flags: http2.FlagHeadersEndHeaders | http2.FlagHeadersEndStream, fields: pseudo}, {kind: http2.FrameHeaders, stream: 3, flags: http2.FlagHeadersEndHeaders, fields: genuineHead}}, want: malformed},
	{name: "settings in a stream", frames: []frame{{kind: http2.FrameSettings, payload: "\x00\x00\x00\x00\x00\x00"}}, want: malformed},
	{name: "settings of a wrong size", frames: []frame{{kind: http2.FrameSettings, stream: 0x80000000, payload: "x"}}, want: malformed},
	{name: "a pushed stream", frames: []frame{{kind: http2.FramePushPromise, flags: http2.FlagPushPromiseEndHeaders, payload: "\x00\x00\x00\x02"}}, want: malformed},
	{name: "a window beyond 2^31", frames: []frame{{kind: http2.FrameWindowUpdate, stream: 0x80000000, payload: "\x7f\xff\xff\xff", times: 2, same: true}}, want: malformed},
	{name: "a window of nothing", frames: []frame{{kind: http2.FrameWindowUpdate, stream: 0x80000000, payload: "\x00\x00\x00\x00"}}, want: malformed},
	{name: "a stream that depends on itself", frames: []frame{{kind: http2.FramePriority, stream: 3, payload: "\x00\x00\x00\x03\x00"}, head(genuineHead), lastData("{body}")}, want: "200|" + malformed, maybe: true},
	{name: "broken compression", frames: []frame{{kind: http2.FrameHeaders, flags: http2.FlagHeadersEndHeaders, payload: "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}}, want: malformed},
	{name: "a table of 4 GiB", frames: []frame{{kind: http2.FrameHeaders, flags: http2.FlagHeadersEndHeaders, payload: "\x3f\xe1\xff\xff\xff\x0f"}}, want: malformed},
	{name: "a frame larger than is allowed", frames: []frame{{kind: http2.FrameData, payload: times(2<<20, "x")}}, want: malformed},
	{name: "unknown frames", frames: append([]frame{{kind: 0xfa, payload: "x", times: 1000, same: true}}, whole(genuineHead)...), want: "200"},
	{name: "a flood of pings", frames: append([]frame{{kind: http2.FramePing, stream: 0x80000000, payload: "12345678", times: 20_000, same: true}}, whole(genuineHead)...), want: "200|" + malformed, maybe: true},
	{name: "a flood of settings", frames: append([]frame{{kind: http2.FrameSettings, stream: 0x80000000, times: 20_000, same: true}}, whole(genuineHead)...), want: "200|" + malformed, maybe: true},
	{name: "a flood of empty data", frames: []frame{head(genuineHead), {kind: http2.FrameData, times: 20_000, same: true}, lastData("{body}")}, want: "200|" + malformed, maybe: true},
	{name: "rapid resets", frames: rapidly(2_000), want: "401|" + malformed},
}...)

// overTLS sends every attack over TLS as well.
func overTLS(attacks []attack) []attack {
	for _, a := range attacks {
		a.name, a.site = a.name+", over TLS", "tls"
		attacks = append(attacks, a)
	}
	return attacks
}

// rapidly opens streams and takes each back at once.
func rapidly(n int) (frames []frame) {
	for i := range n {
		stream := uint32(2*i + 1)
		opened := head(pseudo)
		opened.stream = stream
		frames = append(frames, opened, frame{kind: http2.FrameRSTStream, stream: stream, payload: "\x00\x00\x00\x08"})
	}
	return append(frames, frame{kind: http2.FrameData, stream: 0x80000000}) // which ends the connection
}
