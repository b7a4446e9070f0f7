package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// spareHeap is how much garbage may pile up while deliveries come fast. The
	// live heap of a gatekeeper is small, so that Go by its own rule would collect
	// several times a second.
	spareHeap = 64 << 20

	// busyCycle is the time between two collections below which there is a hurry.
	busyCycle = 2 * time.Second
)

// tuneGC trades memory for processor time while there is a hurry, and only then:
// at rest Go's own rule holds. The limit that Caddy takes from the container
// (GOMEMLIMIT) holds always. GOGC, where it is set, says it all instead.
func tuneGC() {
	if os.Getenv("GOGC") == "" {
		(&gcTuner{percent: defaultGCPercent, last: time.Now()}).await()
	}
}

const defaultGCPercent = 100

type gcTuner struct {
	percent int
	last    time.Time
}

// await has adjust called behind the next collection: the cleanup of an object
// that nobody refers to.
func (t *gcTuner) await() {
	runtime.AddCleanup(new([64]byte), (*gcTuner).adjust, t)
}

func (t *gcTuner) adjust() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	now := time.Now()
	percent := gcPercent(now.Sub(t.last), live[0].Value.Uint64(), debug.SetMemoryLimit(-1))
	if t.last = now; percent != t.percent {
		t.percent = percent
		debug.SetGCPercent(percent)
	}
	t.await()
}

// gcPercent is what the heap may grow by until the next collection, in percent of
// what lives of it.
func gcPercent(sinceLast time.Duration, live uint64, limit int64) int {
	if sinceLast > busyCycle || live == 0 {
		return defaultGCPercent
	}
	spare := min(spareHeap, float64(limit)/8)
	percent := int(min(spare*100/float64(live), 1000))
	return max(percent/50*50, defaultGCPercent) // in steps, as a change stops the world
}
