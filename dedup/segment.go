package dedup

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// segment is a file of a journal. Files are numbered in the order in which they
// were begun, and only the last one is ever written to, by who began it.
type segment struct {
	number  uint64
	size    int64 // of what was read or written
	commits int
	expires int64 // when the last window of its records ends, by the journal's clock

	complete bool // read to its end
	opaque   bool // not understood, so never deleted
}

func newSegment(number uint64) *segment {
	return &segment{number: number, expires: math.MinInt64}
}

const segmentSuffix = ".journal"

func segmentName(number uint64) string { return fmt.Sprintf("%016x%s", number, segmentSuffix) }

// segmentNumbers returns the numbers of the segments in dir, in their order.
func segmentNumbers(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		if n, err := strconv.ParseUint(digits, 16, 64); ok && err == nil && segmentName(n) == e.Name() {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// covers notes that a commit or what forgets one is in the segment.
func (s *segment) covers(r record) {
	if r.kind == kindCommit {
		s.commits++
		s.expires = max(s.expires, r.at+min(int64(r.window), math.MaxInt64-max(r.at, 0)))
	}
}

// isForeign reports whether data begins a segment of another version. The header
// is alike in all versions.
func isForeign(data []byte) bool {
	r, ok := parseRecord(data)
	return ok && r.kind == kindHeader && r.id != magic
}

// contents is what segments say, by the journal's clock.
type contents struct {
	commits   []slot
	forgotten map[ID]int64 // by delivery: what was committed until then
	endpoints map[ID]int64 // by endpointID
	offset    int64        // of the last header
	newest    int64        // time of all records
}

func newContents() *contents {
	return &contents{forgotten: map[ID]int64{}, endpoints: map[ID]int64{}, newest: -latest}
}

func (c *contents) add(r record) {
	if r.kind == kindHeader {
		c.offset = r.at
		return
	}
	c.newest = max(c.newest, r.at)
	switch r.kind {
	case kindCommit:
		c.commits = append(c.commits, slot{r.id, commit{time.Duration(r.at), r.window}})
	case kindForget:
		raise(c.forgotten, r.id, r.at)
	case kindForgetEndpoint:
		raise(c.endpoints, r.id, r.at)
	}
}

// raise makes a time in the map later, if it is.
func raise[T int64 | time.Duration](times map[ID]T, id ID, at T) {
	if known, ok := times[id]; !ok || at > known {
		times[id] = at
	}
}
