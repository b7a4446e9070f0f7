package caddymodule

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The causes for which a body is refused.
var (
	errBodyTooLarge   = errors.New("body too large")
	errBodyTimeout    = errors.New("body did not arrive in time")
	errBodyUnreadable = errors.New("body broke off")
	errOverloaded     = errors.New("budget of buffered bytes spent")
)

// buffers is the budget of all bodies that the process holds.
var buffers = newBudget(defaultMaxBuffered)

// budget counts bytes that are held at once.
type budget struct{ used, limit atomic.Int64 }

func newBudget(limit int64) *budget {
	b := new(budget)
	b.setLimit(limit)
	return b
}

func (b *budget) setLimit(n int64) { b.limit.Store(n) }

func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.limit.Load() {
		return true
	}
	b.used.Add(-n)
	return false
}

func (b *budget) give(n int64) { b.used.Add(-n) }

// firstBuffer is what a body gets before its bytes have arrived, however long
// the sender says that it is.
const firstBuffer = 16 << 10

// body is a request's body as far as it was read. Its bytes count against the
// budget, and are valid, until release.
type body struct {
	bytes    []byte
	buffer   *[]byte // in which they are
	size     int     // of bytes, also when they are released
	held     int64   // of the budget
	whole    bool    // nothing is left to read
	restored *replayable
}

// release gives the buffer to the next request, unless somebody may still read
// from it: a transport does for a while where the application answered early.
func (b *body) release() {
	free := b.whole
	if b.restored != nil {
		free = b.restored.detach()
	}
	if free {
		giveBuffer(b.buffer)
	}
	buffers.give(b.held)
	b.bytes, b.buffer, b.held = nil, nil, 0
}

// read reads up to limit bytes from r until the given time. Memory is taken as
// bytes arrive: a sender that only announces a large body costs little.
func (b *body) read(w http.ResponseWriter, r *http.Request, limit int64, until time.Time) error {
	if r.ContentLength > limit {
		return fmt.Errorf("%w: %d bytes announced", errBodyTooLarge, r.ContentLength)
	}
	if r.Body == nil || r.Body == http.NoBody {
		b.whole = true
		return nil
	}
	setReadDeadline(w, until)
	if !b.grow(min(max(r.ContentLength, 0), firstBuffer), limit) {
		return errOverloaded
	}
	for {
		n, err := r.Body.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.size += n
		b.bytes = b.bytes[:b.size]
		switch {
		case int64(len(b.bytes)) > limit:
			return errBodyTooLarge
		case errors.Is(err, io.EOF):
			b.whole = true
			setReadDeadline(w, time.Time{})
			if r.ContentLength >= 0 && int64(b.size) != r.ContentLength {
				// HTTP/3's server does not look (RFC 9114, section 4.1.2).
				return fmt.Errorf("%w: %d bytes came of %d announced", errBodyUnreadable, b.size, r.ContentLength)
			}
			return nil
		case err != nil:
			return readError(err)
		}
		if len(b.bytes) == cap(b.bytes) && !b.grow(4*int64(cap(b.bytes)-bufferExtra), limit) {
			return errOverloaded
		}
	}
}

// grow makes room for size bytes, and one more, as the end shows only to a read
// with room left; but not for more than one byte above the limit.
func (b *body) grow(size, limit int64) bool {
	size = bufferSize(min(size, limit)+1, limit+1)
	held := min(size, limit)
	if !buffers.take(held) {
		return false
	}
	grown := takeBuffer(size)
	b.bytes = append(*grown, b.bytes...)
	giveBuffer(b.buffer)
	buffers.give(b.held)
	b.buffer, b.held = grown, held
	return true
}

// skip reads past a body of which no part was read, if it is here already, and
// reports whether it was: then the sender can go on with its connection.
func (b *body) skip(w http.ResponseWriter, r *http.Request, until time.Time) bool {
	if b.size > 0 || r.ContentLength < 1 || r.Header.Get("Expect") != "" {
		return false
	}
	setReadDeadline(w, time.Unix(1, 0)) // what is buffered is read all the same
	_, err := io.CopyN(io.Discard, r.Body, r.ContentLength-1)
	setReadDeadline(w, until)
	if err != nil {
		return false
	}
	// The last byte comes apart: with it, net/http begins to watch the connection,
	// and takes a deadline that has passed for the sender hanging up.
	if _, err = io.Copy(io.Discard, r.Body); err != nil {
		return false
	}
	b.whole = true
	return true
}

// setReadDeadline bounds reading from the sender; the zero time does not. Where
// the writer knows no deadlines there is no connection to wait on either.
func setReadDeadline(w http.ResponseWriter, at time.Time) {
	_ = http.NewResponseController(w).SetReadDeadline(at)
}

func readError(err error) error {
	var timeout interface{ Timeout() bool }
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%w: %w", errBodyTimeout, err)
	case errors.As(err, &tooLarge):
		return fmt.Errorf("%w: %w", errBodyTooLarge, err)
	default:
		return fmt.Errorf("%w: %w", errBodyUnreadable, err)
	}
}

// replayable is a whole body that begins anew once it is closed: reverse_proxy
// closes it behind each attempt and sends the same body with the next.
type replayable struct {
	mu    sync.Mutex // the transport may read in a goroutine of its own
	whole []byte
	next  int
}

// detach takes the bytes away, and reports whether nobody is reading them.
func (b *replayable) detach() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	b.whole, b.next = nil, 0
	return true
}

func (b *replayable) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := copy(p, b.whole[b.next:])
	b.next += n
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (b *replayable) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = 0
	return nil
}

// restore gives r the bytes that were read, and, as happens in monitor mode
// only, behind them what was not read.
func (b *body) restore(w http.ResponseWriter, r *http.Request) {
	r.Header.Del("Expect") // it has been answered
	r.Trailer = nil        // its fields would join those that only we may set
	if !b.whole {
		setReadDeadline(w, time.Time{})
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(b.bytes), r.Body), r.Body}
		return
	}
	// Without both, and the trailer, a chunked request would stay chunked.
	r.ContentLength = int64(len(b.bytes))
	r.TransferEncoding = nil
	b.restored = &replayable{whole: b.bytes}
	r.Body = b.restored
}
