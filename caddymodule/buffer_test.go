package caddymodule

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestBufferSizes(t *testing.T) {
	for _, tt := range []struct{ need, limit, want int64 }{
		{1, 1 << 20, 4<<10 + 512},
		{4<<10 + 512, 1 << 20, 4<<10 + 512},
		{4<<10 + 513, 1 << 20, 8<<10 + 512},
		{16<<10 + 1, 1 << 20, 16<<10 + 512},
		{1<<20 + 1, 1<<20 + 1, 1<<20 + 512},
		{300<<10 + 1, 300<<10 + 1, 300<<10 + 1}, // a class would be far above the limit
		{100, 101, 101},
	} {
		if got := bufferSize(tt.need, tt.limit); got != tt.want {
			t.Errorf("%d bytes of at most %d: %d, want %d", tt.need, tt.limit, got, tt.want)
		}
	}
}

// A transport may read on for a while behind an answer that came early. It must
// get nothing of the delivery that has the buffer next.
func TestABodyEndsWithItsExchange(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("the first body"))
	if err != nil {
		t.Fatal(err)
	}
	var b body
	if err := b.read(nil, r, 1<<20, time.Time{}); err != nil {
		t.Fatal(err)
	}
	held := b.bytes
	b.restore(nil, r)
	start := make([]byte, len("the first"))
	if _, err := io.ReadFull(r.Body, start); err != nil || string(start) != "the first" {
		t.Fatalf("%q, %v", start, err)
	}
	b.release()
	copy(held, "another's secret")
	if rest, err := io.ReadAll(r.Body); len(rest) > 0 || err != nil {
		t.Errorf("behind the exchange: %q, %v", rest, err)
	}
	if b.size != len("the first body") {
		t.Errorf("size %d", b.size)
	}
}

// A buffer that somebody is reading from is nobody else's.
func TestABufferInUseIsNotGivenAway(t *testing.T) {
	restored := &replayable{whole: []byte("x")}
	restored.mu.Lock()
	if restored.detach() {
		t.Error("it was free in the middle of a Read")
	}
	restored.mu.Unlock()
	if !restored.detach() {
		t.Error("it was not free")
	}
}
