package delivery

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// drainTimeout bounds how long a Close waits for a writer that has stopped
// taking lines, so that such a writer cannot hold up a shutdown.
const drainTimeout = 5 * time.Second

// Log writes one line of JSON a record. It is made for the path of a request:
// a slow, failing or panicking writer costs lines, never a delivery.
//
// Its methods may be called concurrently.
type Log struct {
	queue   chan *line
	lines   sync.Pool // of *line
	dropped atomic.Uint64
	drained chan struct{} // closed once the writer goroutine has ended

	// mu keeps Close from closing the queue under a Write.
	mu     sync.RWMutex
	closed bool
}

// NewLog returns a log that writes to w, one call of w.Write a line and never
// two at a time. The queue is how many lines may wait for w; the least is 1.
// A waiting line takes about 600 bytes.
//
// The log does not close w. Close the log first, then w.
func NewLog(w io.Writer, queue int) *Log {
	l := &Log{
		queue:   make(chan *line, max(queue, 1)),
		lines:   sync.Pool{New: func() any { return newLine() }},
		drained: make(chan struct{}),
	}
	go l.drain(w)
	return l
}

// Write queues the record's line, or drops it if the queue is full or the log
// is closed. It never blocks, and keeps nothing of r once it has returned.
func (l *Log) Write(r Record) {
	// Encoded here and not by the writer goroutine: a queued record would keep
	// alive whatever its strings were cut from, up to a whole body each.
	line := l.lines.Get().(*line)
	line.encode(&r)

	l.mu.RLock()
	defer l.mu.RUnlock()
	if !l.closed {
		select {
		case l.queue <- line:
			return
		default:
		}
	}
	l.lines.Put(line)
	l.dropped.Add(1)
}

// Dropped returns how many lines have been lost so far: to a full queue, to a
// writer that failed or panicked, or to a Write after Close.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// Close writes what is queued and ends the log. Where the writer has stopped
// taking lines, Close gives up after 5 seconds. Further calls do the same wait
// and nothing else.
func (l *Log) Close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.queue)
	}
	l.mu.Unlock()

	select {
	case <-l.drained:
	case <-time.After(drainTimeout):
	}
}

func (l *Log) drain(w io.Writer) {
	defer close(l.drained)
	for line := range l.queue {
		l.write(w, line)
		l.lines.Put(line)
	}
}

func (l *Log) write(w io.Writer, line *line) {
	written := false
	defer func() {
		// A writer's panic is not the process's: the log is not worth a delivery.
		if recover() != nil || !written {
			l.dropped.Add(1)
		}
	}()
	_, err := w.Write(line.text)
	written = err == nil
}
