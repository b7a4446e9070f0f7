package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frame is one of HTTP/2, written as it is said, whatever the protocol makes of it.
type frame struct {
	kind    http2.FrameType
	flags   http2.Flags
	stream  uint32 // default: 1, or the next odd one with every repetition
	fields  string // for fields, a line each
	payload string // for anything else
	times   int    // default: once
	same    bool   // repetitions are in the same stream
}

// Of every field the name and the value are what is before and behind the first ": ";
// "␊" and "␍" are the characters that they stand for.
const (
	pseudo      = ":method: POST\n:scheme: {scheme}\n:authority: {host}\n:path: {path}\n"
	genuineHead = pseudo + "{lower}content-length: {length}\n"
)

func head(fields string) frame {
	return frame{kind: http2.FrameHeaders, flags: http2.FlagHeadersEndHeaders, fields: fields}
}

func lastHead(fields string) frame {
	return frame{kind: http2.FrameHeaders, flags: http2.FlagHeadersEndHeaders | http2.FlagHeadersEndStream, fields: fields}
}

func data(payload string) frame { return frame{kind: http2.FrameData, payload: payload} }

func lastData(payload string) frame {
	return frame{kind: http2.FrameData, flags: http2.FlagDataEndStream, payload: payload}
}

// whole is a delivery with other fields.
func whole(fields string) []frame { return []frame{head(fields), lastData("{body}")} }

// listed splits fields.
func (l *letter) listed(fields string) (all [][2]string) {
	unescape := strings.NewReplacer("␊", "\n", "␍", "\r")
	for line := range strings.SplitSeq(l.fill(fields), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			continue
		}
		at := 1 + strings.Index(line[1:], ": ")
		all = append(all, [2]string{unescape.Replace(line[:at]), unescape.Replace(line[at+2:])})
	}
	return all
}

func (l *letter) hpack(fields string) []byte {
	var b bytes.Buffer
	encoder := hpack.NewEncoder(&b)
	for _, f := range l.listed(fields) {
		_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1], Sensitive: true}) // into memory
	}
	return b.Bytes()
}

// sendHTTP2 sends the frames, and returns the status on the first stream, or how
// else that, or the connection, ended.
func (l *letter) sendHTTP2(ctx context.Context, a *attack) (string, error) {
	connection, err := l.site.dial(ctx, http2.NextProtoTLS)
	if err != nil {
		return "", err
	}
	defer func() { _ = connection.Close() }()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	framer := http2.NewFramer(connection, connection)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.AllowIllegalWrites = true
	written := make(chan struct{})
	go func() {
		defer close(written)
		l.writeFrames(connection, framer, a)
	}()
	answer := answerOf(framer)
	_ = connection.Close()
	<-written
	return answer, nil
}

// writeFrames does not report errors: hookpass may hang up whenever it has heard
// enough.
func (l *letter) writeFrames(connection net.Conn, framer *http2.Framer, a *attack) {
	if _, err := io.WriteString(connection, http2.ClientPreface); err != nil || framer.WriteSettings() != nil {
		return
	}
	stream := uint32(1)
	for _, f := range a.frames {
		payload := []byte(l.fill(f.payload))
		if f.fields != "" {
			payload = l.hpack(f.fields)
		}
		for n := range max(f.times, 1) {
			at := stream
			switch {
			case f.stream != 0:
				at = f.stream
			case n > 0 && !f.same:
				stream += 2
				at = stream
			}
			if framer.WriteRawFrame(f.kind, f.flags, at, payload) != nil {
				return
			}
		}
	}
}

func answerOf(framer *http2.Framer) string {
	status := ""
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			if status == "" {
				status = "closed"
			}
			return status
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			if got := f.PseudoValue("status"); f.StreamID == 1 && status == "" && got >= "200" {
				status = got
			}
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo && status == "" {
				return "goaway"
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == 1 && status == "" {
				return "reset"
			}
		}
		if end := frame.Header(); end.StreamID == 1 && status != "" && ended(frame) {
			return status
		}
	}
}

func ended(f http2.Frame) bool {
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		return f.StreamEnded()
	case *http2.DataFrame:
		return f.StreamEnded()
	case *http2.RSTStreamFrame:
		return true
	}
	return false
}
