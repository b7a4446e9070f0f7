package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"
)

// piece is a frame of HTTP/3, written as it is said.
type piece struct {
	kind    uint64
	fields  string // of a head, as in HTTP/2
	payload string // of anything else
	length  *int   // of the frame, if it is another than it has
	end     pieceEnd
}

// pieceEnd is what happens behind a piece.
type pieceEnd int

const (
	goesOn  pieceEnd = iota
	ends             // the stream ends
	cancels          // the sender takes the stream back
)

const (
	dataPiece, headPiece = 0x0, 0x1
	controlStream        = 0x0
	settingsPiece        = 0x4
)

// wholly is a delivery with other fields.
func wholly(fields string) []piece {
	return []piece{{kind: headPiece, fields: fields}, {kind: dataPiece, payload: "{body}", end: ends}}
}

// sendHTTP3 sends the pieces in one stream, and returns the status, or how else the
// stream or the connection ended.
func (l *letter) sendHTTP3(ctx context.Context, a *attack) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	connection, err := quic.DialAddr(ctx, l.site.address, l.site.tlsConfig("h3"), &quic.Config{MaxIdleTimeout: patience})
	if err != nil {
		return "", err
	}
	defer func() { _ = connection.CloseWithError(0x100, "") }()
	control, err := connection.OpenUniStreamSync(ctx)
	if err != nil {
		return "", err
	}
	if _, err := control.Write([]byte{controlStream, settingsPiece, 0}); err != nil {
		return "", err
	}
	stream, err := connection.OpenStreamSync(ctx)
	if err != nil {
		return "", err
	}
	if err := stream.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	go l.writePieces(stream, a)
	return answerTo(stream), nil
}

// writePieces does not report errors: hookpass may stop listening whenever it has
// heard enough.
func (l *letter) writePieces(stream *quic.Stream, a *attack) {
	for _, p := range a.pieces {
		payload := []byte(l.fill(p.payload))
		if p.fields != "" {
			payload = l.qpack(p.fields)
		}
		length := len(payload)
		if p.length != nil {
			length = *p.length
		}
		b := quicvarint.Append(quicvarint.Append(nil, p.kind), uint64(length))
		if _, err := stream.Write(append(b, payload...)); err != nil {
			return
		}
		switch p.end {
		case ends:
			_ = stream.Close()
		case cancels:
			stream.CancelWrite(0x10c)
		}
	}
}

func (l *letter) qpack(fields string) []byte {
	var b bytes.Buffer
	encoder := qpack.NewEncoder(&b)
	for _, f := range l.listed(fields) {
		_ = encoder.WriteField(qpack.HeaderField{Name: f[0], Value: f[1]}) // into memory
	}
	return b.Bytes()
}

// answerTo returns the status that is answered on the stream.
func answerTo(stream *quic.Stream) string {
	reader := quicvarint.NewReader(stream)
	status := ""
	for {
		kind, err := quicvarint.Read(reader)
		var length uint64
		if err == nil {
			length, err = quicvarint.Read(reader)
		}
		payload := make([]byte, min(length, 1<<20))
		if err == nil {
			_, err = io.ReadFull(reader, payload)
		}
		if reset := new(quic.StreamError); status == "" && errors.As(err, &reset) {
			return "reset"
		}
		switch {
		case err != nil && status == "":
			return "closed"
		case err != nil:
			return status
		case kind == headPiece && status == "":
			decode := qpack.NewDecoder().Decode(payload)
			for field, err := decode(); err == nil; field, err = decode() {
				if field.Name == ":status" && field.Value >= "200" {
					status = field.Value
				}
			}
		}
	}
}
