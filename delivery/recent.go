package delivery

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"

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
	mu      sync.Mutex
	line    *line
	last    uint64 // number of a delivery
	halves  [2]half
	changed chan struct{} // closed with the next delivery; nil if nobody waits for it
}

// Request is what is kept of a delivery besides its record.
type Request struct {
	Method, Path string
	Header       map[string][]string
	Masked       map[string]bool // names of fields whose values are not kept
	Whole        *Whole          // nil: it is not kept whole
}

// Kept is a delivery that is kept.
type Kept struct {
	Number uint64          // of those since the process began
	Text   json.RawMessage // the fields of its line in the log, and number, method, path and header
	Whole  *Whole          // nil: it is not kept whole, or not any more
}

// half are deliveries, the oldest first.
type half struct {
	kept     []Kept
	capacity int
	bytes    int // of texts

	wholeBytes, mostWhole int
	bare                  int // how many of the oldest are not kept whole
}

// NewRecent returns an empty memory of that many deliveries.
func NewRecent(capacity int) *Recent {
	r := &Recent{line: newLine()}
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

// Keep keeps a delivery and returns its number. It keeps nothing of what it is given,
// but copies, and the header of the whole.
func (r *Recent) Keep(record *Record, request *Request) uint64 {
	whole := request.Whole.copied()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	r.line.encodeKept(r.last, record, request)
	text := bytes.TrimSuffix(bytes.Clone(r.line.text), []byte("\n"))
	h := &r.halves[0]
	if record.Verdict == VerdictRejected {
		h = &r.halves[1]
	}
	h.kept = append(h.kept, Kept{r.last, text, whole})
	h.bytes += len(text)
	h.wholeBytes += whole.size()
	h.shrink()
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
	return r.last
}

func (h *half) shrink() {
	for ; h.bare < len(h.kept) && (h.mostWhole == 0 || h.wholeBytes > h.mostWhole); h.bare++ {
		h.wholeBytes -= h.kept[h.bare].Whole.size()
		h.kept[h.bare].Whole = nil
	}
	drop := 0
	for len(h.kept)-drop > h.capacity || h.bytes > maxKept {
		h.bytes -= len(h.kept[drop].Text)
		h.wholeBytes -= h.kept[drop].Whole.size()
		h.kept[drop] = Kept{} // append moves the others one day, until then it would live on
		drop++
	}
	h.kept, h.bare = h.kept[drop:], max(h.bare-drop, 0)
}

// Newest returns what is kept, the newest first.
func (r *Recent) Newest() []Kept {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.after(0)
	slices.Reverse(all)
	return all
}

// Last returns the number of the newest delivery; 0 if there was none.
func (r *Recent) Last() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// After returns what is kept of the deliveries behind that number, the oldest
// first, and what is closed when there are more.
func (r *Recent) After(number uint64) ([]Kept, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.after(number), r.changed
}

func (r *Recent) after(number uint64) []Kept {
	var all []Kept
	for _, h := range r.halves {
		first, _ := slices.BinarySearchFunc(h.kept, number+1, func(k Kept, n uint64) int { return cmp.Compare(k.Number, n) })
		all = append(all, h.kept[first:]...)
	}
	slices.SortFunc(all, func(a, b Kept) int { return cmp.Compare(a.Number, b.Number) })
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
