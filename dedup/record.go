package dedup

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A journal consists of records of one size, in little-endian order:
//
//	 0  id of a delivery, or endpointID, or magic
//	16  time in nanoseconds, by the journal's clock
//	24  kind, and in the other 7 bytes the window in microseconds
//	32  CRC-32C of the above
const recordSize = 36

type kind uint8

const (
	// kindHeader begins a segment. The time is what the wall clock was ahead of
	// the journal's.
	kindHeader kind = iota + 1
	// kindCommit is a commit.
	kindCommit
	// kindForget ends what was committed until then under the id.
	kindForget
	// kindForgetEndpoint ends what was committed until then at the endpoint.
	kindForgetEndpoint
)

// magic stands in a header for the id. The last byte is the version.
var magic = ID([]byte("hookpass dedup 1"))

type record struct {
	kind   kind
	id     ID
	at     int64
	window time.Duration // of a commit
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r record) appendTo(b []byte) []byte {
	start := len(b)
	b = append(b, r.id[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.at)) //nolint:gosec // a reader turns it back
	b = binary.LittleEndian.AppendUint64(b, uint64(r.kind)|microseconds(r.window)<<8)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// microseconds rounds up: nothing is remembered shorter for being written down.
func microseconds(d time.Duration) uint64 {
	us := d / time.Microsecond
	if d%time.Microsecond > 0 {
		us++
	}
	return uint64(us) //nolint:gosec // windows are positive
}

// parseRecord reads what begins b. It reports false if that is no record.
func parseRecord(b []byte) (record, bool) {
	if len(b) < recordSize || crc32.Checksum(b[:recordSize-4], castagnoli) != binary.LittleEndian.Uint32(b[recordSize-4:]) {
		return record{}, false
	}
	rest := binary.LittleEndian.Uint64(b[24:])
	r := record{
		kind:   kind(rest & 0xff),
		id:     ID(b[:16]),
		at:     int64(binary.LittleEndian.Uint64(b[16:])), //nolint:gosec // as it was written
		window: time.Duration(min(rest>>8, maxMicroseconds)) * time.Microsecond,
	}
	earliest := int64(0)
	if r.kind == kindHeader {
		earliest = -latest
	}
	return r, r.kind >= kindHeader && r.kind <= kindForgetEndpoint && r.at >= earliest && r.at <= latest
}

const (
	// maxMicroseconds is the longest window that a Duration can tell.
	maxMicroseconds = uint64(1<<63-1) / uint64(time.Microsecond)

	// latest is a time in 2116. Up to it, two times can be added.
	latest = 1<<62 - 1
)

// scan calls f with every record in data. It skips what is none, as the ones
// behind it can be told by their place, and returns how much it skipped before
// the last record, and where that one ends.
func scan(data []byte, f func(record)) (skipped, end int) {
	for at := 0; at+recordSize <= len(data); at += recordSize {
		if r, ok := parseRecord(data[at:]); ok {
			f(r)
			skipped += (at - end) / recordSize
			end = at + recordSize
		}
	}
	return skipped, end
}
