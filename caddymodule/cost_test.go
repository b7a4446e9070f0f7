//go:build !race

package caddymodule

import (
	"fmt"
	"net/http"
	"testing"
)

// costs are the ways of a delivery through the handler, and how many objects it
// may allocate on them. What grows here is paid on each delivery: raise a number
// only for something that is worth it. (The race detector allocates, too.)
var costs = []struct {
	name   string
	event  func(n int) event
	status int
	most   float64
}{
	{"accepted", func(n int) event { return event{id: fmt.Sprint("accepted-", n)} }, 200, 30},
	{"duplicate", func(int) event { return event{id: "duplicate"} }, 200, 20},
	{"forged", func(n int) event { return event{secret: "guess", id: fmt.Sprint("forged-", n)} }, 401, 20},
	{"unsigned", func(int) event { return event{spoil: drop("X-Saltare-Signature")} }, 401, 20},
}

func TestAllocationsOfADelivery(t *testing.T) {
	h, prepare := handlerAlone(t)
	const runs = 200
	for _, tt := range costs {
		t.Run(tt.name, func(t *testing.T) {
			type exchange struct {
				w http.ResponseWriter
				r *http.Request
			}
			var waiting []exchange
			for n := range runs + 2 {
				w, r := prepare(tt.event(n))
				waiting = append(waiting, exchange{w, r})
			}
			next := func() {
				x := waiting[0]
				waiting = waiting[1:]
				if err := h.ServeHTTP(x.w, x.r, handled); err != nil {
					t.Fatal(err)
				}
				if got := x.w.(*discarded).status; got != tt.status {
					t.Fatalf("answered %d, want %d", got, tt.status)
				}
			}
			next() // the first of the duplicates is none
			if got := testing.AllocsPerRun(runs, next); got > tt.most {
				t.Errorf("%.0f objects are allocated, at most %.0f may be", got, tt.most)
			}
		})
	}
}

func BenchmarkDelivery(b *testing.B) {
	h, prepare := handlerAlone(b)
	for _, bb := range costs {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				w, r := prepare(bb.event(n))
				b.StartTimer()
				if err := h.ServeHTTP(w, r, handled); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
