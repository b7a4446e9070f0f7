package delivery

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"
)

const (
	// maxHeader bounds the header fields that are kept of a delivery, in bytes of
	// their names and values.
	maxHeader = 8 << 10

	// maxKept bounds each half of what is kept, in bytes.
	maxKept = 4 << 20
)

// Recent keeps the newest deliveries in memory, in two halves: the rejected ones,
// and the others, so that a flood of forgeries does not push these out.
//
// Its methods may be called concurrently.
type Recent struct {
	lines sync.Pool // of *line

	last atomic.Uint64

	mu     sync.Mutex
	halves [2]half
}

// Request is what is kept of a delivery besides its record.
type Request struct {
	Method, Path string
	Header       map[string][]string
	Masked       map[string]bool // names of fields whose values are not kept
}

// Kept is a delivery that is kept.
type Kept struct {
	Number uint64          // of those since the process began
	Text   json.RawMessage // the fields of its line in the log, and number, method, path and header
}

// half are deliveries, the oldest first.
type half struct {
	kept     []Kept
	capacity int
	bytes    int
}

// NewRecent returns an empty memory of that many deliveries.
func NewRecent(capacity int) *Recent {
	r := &Recent{lines: sync.Pool{New: func() any { return newLine() }}}
	r.Resize(capacity)
	return r
}

// Resize makes it the memory of that many deliveries.
func (r *Recent) Resize(capacity int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.halves {
		h := &r.halves[i]
		h.capacity = max(capacity/len(r.halves), 1)
		h.shrink()
	}
}

// Keep keeps a delivery. It keeps nothing of what it is given, but copies.
func (r *Recent) Keep(record *Record, request *Request) {
	line := r.lines.Get().(*line)
	defer r.lines.Put(line)

	number := r.last.Add(1)
	line.encodeKept(number, record, request)
	text := bytes.TrimSuffix(bytes.Clone(line.text), []byte("\n"))

	r.mu.Lock()
	defer r.mu.Unlock()
	h := &r.halves[0]
	if record.Verdict == VerdictRejected {
		h = &r.halves[1]
	}
	h.kept = append(h.kept, Kept{number, text})
	h.bytes += len(text)
	h.shrink()
}

func (h *half) shrink() {
	drop := 0
	for len(h.kept)-drop > h.capacity || h.bytes > maxKept {
		h.bytes -= len(h.kept[drop].Text)
		h.kept[drop] = Kept{} // append moves the others one day, until then it would live on
		drop++
	}
	h.kept = h.kept[drop:]
}

// Newest returns what is kept, the newest first.
func (r *Recent) Newest() []Kept {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Concat(r.halves[0].kept, r.halves[1].kept)
	slices.SortFunc(all, func(a, b Kept) int { return cmp.Compare(b.Number, a.Number) })
	return all
}

// encodeKept replaces the line's text with the delivery as one JSON object.
func (l *line) encodeKept(number uint64, record *Record, request *Request) {
	l.text = l.text[:0]
	e := l.logger.Log().Uint64("number", number)
	addFields(e, record)
	addText(e, "method", request.Method)
	addText(e, "path", request.Path)
	header, left := zerolog.Dict(), maxHeader
	for name, values := range request.Header {
		masked, array := request.Masked[name] || telling(name), zerolog.Arr()
		for _, value := range values {
			if left -= len(name) + min(len(value), maxText); left < 0 {
				break
			}
			if masked {
				value = "…"
			}
			array.Str(strings.Map(printable, bounded(value, maxText)))
		}
		header.Array(strings.Map(printable, bounded(name, maxText)), array)
		if left < 0 {
			break
		}
	}
	e.Dict("header", header)
	if left < 0 {
		e.Bool("header_cut", true)
	}
	e.Send()
}

// telling reports whether a field's name speaks of a secret. Only the first letter
// of a word is a capital where there is one.
func telling(name string) bool {
	for _, word := range []string{"uth", "ookie", "oken", "ecret", "ign", "mac", "igest", "assw", "redential", "ession", "ey", "ert"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
