package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	secret      = "bench-secret-0123456789"
	connections = 32
)

// kind is what is wrong with a delivery, if anything.
type kind int

const (
	genuine  kind = iota
	forged        // signed with another secret
	stale         // signed an hour ago
	copied        // the same one again and again
	unsigned      // without a signature
)

// benchCase is one column of the table.
type benchCase struct {
	name  string
	kind  kind
	size  int
	fixed bool // at a fixed rate, for latency

	endpoints int // that the deliveries go to in turn, see overEndpoints
}

var allCases = []benchCase{
	{name: "accepted 1 KiB", kind: genuine, size: 1 << 10},
	{name: "accepted 16 KiB", kind: genuine, size: 16 << 10},
	{name: "accepted 256 KiB", kind: genuine, size: 256 << 10},
	{name: "forged 1 KiB", kind: forged, size: 1 << 10},
	{name: "stale 1 KiB", kind: stale, size: 1 << 10},
	{name: "unsigned 1 KiB", kind: unsigned, size: 1 << 10},
	{name: "duplicate 1 KiB", kind: copied, size: 1 << 10},
	{name: "latency 1 KiB", kind: genuine, size: 1 << 10, fixed: true},
}

// chosen tells whether the case is to be measured.
func (c benchCase) chosen() bool {
	return *cases == "" || slices.Contains(strings.Split(*cases, ","), c.name)
}

// wanted tells how the answer must look. A benchmark that counts refusals as
// successes is worse than none.
func (c benchCase) wanted(status int, body string) bool {
	switch c.kind {
	case forged, stale, unsigned:
		return status == http.StatusUnauthorized
	case copied:
		return status == http.StatusOK && strings.Contains(body, `"duplicate":true`)
	default:
		return status == http.StatusOK && body == answerText
	}
}

// letter writes deliveries, each another one, as bytes to be sent. It is for one
// goroutine.
type letter struct {
	c     benchCase
	host  string
	mac   hash.Hash
	body  []byte
	bytes []byte
}

const idDigits = 32

var number atomic.Uint64

func newLetter(c benchCase, host string) *letter {
	key := secret
	if c.kind == forged {
		key = "another-secret"
	}
	start := fmt.Sprintf(`{"event":"load.created","delivery_id":"%0*d","data":"`, idDigits, 0)
	const end = `"}`
	body := start + strings.Repeat("x", c.size-len(start)-len(end)) + end
	return &letter{c: c, host: host, mac: hmac.New(sha256.New, []byte(key)), body: []byte(body)}
}

// next returns the next delivery. It is overwritten by the one after.
func (l *letter) next() []byte {
	id := uint64(0)
	if l.c.kind != copied {
		id = number.Add(1)
	}
	at := strings.Index(string(l.body[:80]), `"delivery_id":"`) + len(`"delivery_id":"`)
	copy(l.body[at:at+idDigits], fmt.Sprintf("%0*d", idDigits, id))
	now := time.Now()
	if l.c.kind == stale {
		now = now.Add(-time.Hour)
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	path := "/hook"
	if l.c.endpoints > 1 {
		path = endpointPath(int(id%uint64(l.c.endpoints)), l.c.endpoints) //nolint:gosec // G115: it is below endpoints
	}
	l.bytes = append(l.bytes[:0], "POST "+path+" HTTP/1.1\r\nHost: "+l.host+"\r\nUser-Agent: Saltare/1.0\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(l.body))+"\r\nX-Saltare-Timestamp: "+timestamp+"\r\n"...)
	if l.c.kind != unsigned {
		l.mac.Reset()
		l.mac.Write([]byte(timestamp + "."))
		l.mac.Write(l.body)
		l.bytes = append(l.bytes, "X-Saltare-Signature: sha256="+hex.EncodeToString(l.mac.Sum(nil))+"\r\n"...)
	}
	l.bytes = append(l.bytes, "\r\n"...)
	return append(l.bytes, l.body...)
}
