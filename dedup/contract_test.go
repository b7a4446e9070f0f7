package dedup

import (
	"context"
	"errors"
	"testing"
	"time"
)

// storeUnderTest is what testStore needs to know of a kind of store.
type storeUnderTest struct {
	// run calls f with a fresh store and closes it afterwards.
	run func(t *testing.T, f func(t *testing.T, s Store))
	// idle returns when so many copies wait, and nothing else goes on.
	idle func(t *testing.T, s Store, waiting int)
	// waiters is how many copies of a delivery may wait.
	waiters int
}

// testStore is the contract of Store: what every implementation must do.
func testStore(t *testing.T, under storeUnderTest) {
	const window, wait = 500 * time.Millisecond, 250 * time.Millisecond
	var (
		id       = NewID("shop", "id", "evt_1")
		remember = Options{Window: window}
		patient  = Options{Window: window, Wait: wait}
	)
	tests := []struct {
		name string
		f    func(t *testing.T, s Store)
	}{
		{"a committed delivery is a duplicate", func(t *testing.T, s Store) {
			before := time.Now()
			forward(t, s, id, remember).Commit()
			out := begin(t, s, id, remember)
			wantKind(t, out, Duplicate)
			if at := out.At; at.Before(before) || at.After(time.Now()) {
				t.Errorf("committed at %v, want the time of the commit, %v", at, before)
			}
			if out.Claim != nil {
				t.Error("a duplicate came with a claim")
			}
		}},
		{"an aborted delivery is forwarded again", func(t *testing.T, s Store) {
			for range 3 {
				forward(t, s, id, remember).Abort()
			}
			forward(t, s, id, remember).Commit()
			wantKind(t, begin(t, s, id, remember), Duplicate)
		}},
		{"abort after commit changes nothing", func(t *testing.T, s Store) {
			claim := forward(t, s, id, remember)
			claim.Commit()
			claim.Abort()
			claim.Commit()
			wantKind(t, begin(t, s, id, remember), Duplicate)
		}},
		{"commit after abort changes nothing", func(t *testing.T, s Store) {
			claim := forward(t, s, id, remember)
			claim.Abort()
			claim.Commit()
			forward(t, s, id, remember).Abort()
		}},
		{"an ended claim has no hold on the next one", func(t *testing.T, s Store) {
			first := forward(t, s, id, remember)
			first.Abort()
			second := forward(t, s, id, remember)
			first.Abort()
			first.Commit()
			wantKind(t, begin(t, s, id, remember), Busy)
			second.Abort()
		}},
		{"deliveries do not affect each other", func(t *testing.T, s Store) {
			claim := forward(t, s, id, remember)
			forward(t, s, NewID("shop", "id", "evt_2"), remember).Commit()
			forward(t, s, NewID("bank", "id", "evt_1"), remember).Commit()
			claim.Abort()
		}},
		{"a copy in flight is busy at once without a wait", func(t *testing.T, s Store) {
			defer forward(t, s, id, remember).Abort()
			wantKind(t, begin(t, s, id, remember), Busy)
		}},
		{"a copy in flight is busy when the wait is over", func(t *testing.T, s Store) {
			defer forward(t, s, id, remember).Abort()
			start := time.Now()
			wantKind(t, begin(t, s, id, patient), Busy)
			if waited := time.Since(start); waited < wait {
				t.Errorf("waited %v, want %v", waited, wait)
			}
		}},
		{"a waiting copy learns of the success", func(t *testing.T, s Store) {
			claim := forward(t, s, id, remember)
			outcome := beginLater(t, s, id, patient)
			under.idle(t, s, 1)
			claim.Commit()
			wantKind(t, <-outcome, Duplicate)
		}},
		{"one waiting copy takes over after a failure, the others wait on", func(t *testing.T, s Store) {
			claim := forward(t, s, id, remember)
			outcome := beginLater(t, s, id, patient, patient, patient)
			under.idle(t, s, 3)
			claim.Abort()
			next := <-outcome
			wantKind(t, next, Forward)
			under.idle(t, s, 2)
			if len(outcome) != 0 {
				t.Fatalf("a copy got %v while another one is in flight", (<-outcome).Kind)
			}
			next.Claim.Commit()
			wantKind(t, <-outcome, Duplicate)
			wantKind(t, <-outcome, Duplicate)
		}},
		{"a waiting copy too many is busy at once", func(t *testing.T, s Store) {
			claim := forward(t, s, id, remember)
			most := make([]Options, under.waiters)
			for i := range most {
				most[i] = patient
			}
			outcome := beginLater(t, s, id, most...)
			under.idle(t, s, len(most))
			start := time.Now()
			wantKind(t, begin(t, s, id, patient), Busy)
			if waited := time.Since(start); waited >= wait {
				t.Errorf("waited %v, want no wait", waited)
			}
			claim.Commit()
			for range most {
				wantKind(t, <-outcome, Duplicate)
			}
		}},
		{"a copy whose sender goes away stops waiting", func(t *testing.T, s Store) {
			defer forward(t, s, id, remember).Abort()
			ctx, cancel := context.WithTimeout(t.Context(), wait/2)
			defer cancel()
			start := time.Now()
			out, err := s.Begin(ctx, id, patient)
			if err != nil {
				t.Fatalf("Begin: %v", err)
			}
			wantKind(t, out, Busy)
			if waited := time.Since(start); waited >= wait {
				t.Errorf("waited %v, want %v", waited, wait/2)
			}
		}},
		{"a context that has ended bounds the wait and nothing else", func(t *testing.T, s Store) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			for _, want := range []Kind{Forward, Duplicate} {
				out, err := s.Begin(ctx, id, patient)
				if err != nil {
					t.Fatalf("Begin: %v", err)
				}
				wantKind(t, out, want)
				if out.Claim != nil {
					out.Claim.Commit()
				}
			}
		}},
		{"a delivery is new when its window is over", func(t *testing.T, s Store) {
			forward(t, s, id, remember).Commit()
			time.Sleep(window)
			forward(t, s, id, remember).Abort()
		}},
		{"a duplicate does not extend the window", func(t *testing.T, s Store) {
			forward(t, s, id, remember).Commit()
			time.Sleep(window / 2)
			wantKind(t, begin(t, s, id, remember), Duplicate)
			time.Sleep(window / 2)
			forward(t, s, id, remember).Abort()
		}},
		{"a shorter window applies to what is remembered", func(t *testing.T, s Store) {
			forward(t, s, id, remember).Commit()
			time.Sleep(window / 2)
			wantKind(t, begin(t, s, id, remember), Duplicate)
			forward(t, s, id, Options{Window: window / 2}).Abort()
			wantKind(t, begin(t, s, id, remember), Duplicate)
		}},
		{"without a window nothing is remembered, but copies are kept apart", func(t *testing.T, s Store) {
			claim := forward(t, s, id, Options{})
			wantKind(t, begin(t, s, id, Options{}), Busy)
			claim.Commit()
			forward(t, s, id, Options{}).Abort()
			forward(t, s, id, remember).Abort()
		}},
		{"a forgotten delivery is forwarded, and remembered again", func(t *testing.T, s Store) {
			for range 3 {
				forget(t, s, id, false)
				forward(t, s, id, remember).Commit()
				forget(t, s, id, true)
				forget(t, s, id, false)
				forward(t, s, id, remember).Commit()
				wantKind(t, begin(t, s, id, remember), Duplicate)
				under.idle(t, s, 0)
				forget(t, s, id, true)
				under.idle(t, s, 0)
				forget(t, s, id, false)
				forward(t, s, id, remember).Abort()
			}
		}},
		{"forgetting one delivery forgets no other", func(t *testing.T, s Store) {
			other := NewID("shop", "id", "evt_2")
			forward(t, s, id, remember).Commit()
			forward(t, s, other, remember).Commit()
			forget(t, s, id, true)
			wantKind(t, begin(t, s, other, remember), Duplicate)
		}},
		{"forgetting leaves the claim in flight", func(t *testing.T, s Store) {
			shop := Options{Endpoint: "shop", Window: window}
			claim := forward(t, s, id, shop)
			forget(t, s, id, false)
			forgetEndpoint(t, s, "shop")
			wantKind(t, begin(t, s, id, shop), Busy)
			claim.Commit()
			wantKind(t, begin(t, s, id, shop), Duplicate)
		}},
		{"a forgotten endpoint's deliveries are forwarded, and remembered again", func(t *testing.T, s Store) {
			shop, bank := Options{Endpoint: "shop", Window: window}, Options{Endpoint: "bank", Window: window}
			for range 3 {
				forward(t, s, id, shop).Commit()
				wantKind(t, begin(t, s, id, shop), Duplicate)
				forgetEndpoint(t, s, "shop")
				forward(t, s, id, shop).Commit()
				wantKind(t, begin(t, s, id, shop), Duplicate)
				under.idle(t, s, 0)
				forgetEndpoint(t, s, "shop")
			}
			theirs := NewID("bank", "id", "evt_1")
			forward(t, s, theirs, bank).Commit()
			forgetEndpoint(t, s, "shop")
			wantKind(t, begin(t, s, theirs, bank), Duplicate)
		}},
		{"a closed store refuses", func(t *testing.T, s Store) {
			forward(t, s, id, remember).Commit()
			for range 2 {
				if err := s.Close(t.Context()); err != nil {
					t.Fatalf("Close: %v", err)
				}
				out, err := s.Begin(t.Context(), id, patient)
				if !errors.Is(err, ErrClosed) || out != (Outcome{}) {
					t.Errorf("Begin = %+v, %v, want nothing and ErrClosed", out, err)
				}
				if known, err := s.Forget(t.Context(), id); !errors.Is(err, ErrClosed) || known {
					t.Errorf("Forget = %v, %v, want ErrClosed", known, err)
				}
				if err := s.ForgetEndpoint(t.Context(), "shop"); !errors.Is(err, ErrClosed) {
					t.Errorf("ForgetEndpoint = %v, want ErrClosed", err)
				}
			}
		}},
		{"close waits for claims and sends waiting copies away", func(t *testing.T, s Store) {
			claim := forward(t, s, id, remember)
			waiting := make(chan error, 1)
			go func() {
				_, err := s.Begin(t.Context(), id, patient)
				waiting <- err
			}()
			under.idle(t, s, 1)
			start := time.Now()
			closed := make(chan error, 1)
			go func() { closed <- s.Close(t.Context()) }()
			if err := <-waiting; !errors.Is(err, ErrClosed) {
				t.Errorf("the waiting copy got %v, want ErrClosed", err)
			}
			if waited := time.Since(start); waited >= wait {
				t.Errorf("the waiting copy waited another %v", waited)
			}
			under.idle(t, s, 0)
			if len(closed) != 0 {
				t.Fatal("Close returned with a claim in flight")
			}
			claim.Commit()
			if err := <-closed; err != nil {
				t.Errorf("Close: %v", err)
			}
		}},
		{"close gives up on claims when its context ends", func(t *testing.T, s Store) {
			claim := forward(t, s, id, remember)
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Close = %v, want the context's error", err)
			}
			claim.Commit()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { under.run(t, tt.f) })
	}
}

func begin(t *testing.T, s Store, id ID, o Options) Outcome {
	t.Helper()
	out, err := s.Begin(t.Context(), id, o)
	if err != nil {
		t.Fatalf("Begin: %v", err)
	}
	return out
}

// forward begins a delivery that must be forwarded.
func forward(t *testing.T, s Store, id ID, o Options) Claim {
	t.Helper()
	out := begin(t, s, id, o)
	wantKind(t, out, Forward)
	return out.Claim
}

// beginLater begins copies in goroutines of their own and returns the channel
// that their outcomes arrive on.
func beginLater(t *testing.T, s Store, id ID, copies ...Options) <-chan Outcome {
	outcome := make(chan Outcome, len(copies))
	for _, o := range copies {
		go func() {
			out, err := s.Begin(t.Context(), id, o)
			if err != nil {
				t.Errorf("Begin: %v", err)
			}
			outcome <- out
		}()
	}
	return outcome
}

// forget forgets a delivery that the store must know, or not.
func forget(t *testing.T, s Store, id ID, want bool) {
	t.Helper()
	if known, err := s.Forget(t.Context(), id); err != nil || known != want {
		t.Fatalf("Forget = %v, %v, want %v", known, err, want)
	}
}

func forgetEndpoint(t *testing.T, s Store, name string) {
	t.Helper()
	if err := s.ForgetEndpoint(t.Context(), name); err != nil {
		t.Fatalf("ForgetEndpoint: %v", err)
	}
}

func wantKind(t *testing.T, out Outcome, want Kind) {
	t.Helper()
	if out.Kind != want {
		t.Fatalf("got %v, want %v", out.Kind, want)
	}
}
