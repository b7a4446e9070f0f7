package dedup

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// mortal is a store whose process ends, by a stop or by a kill, and is started
// again on the same journal.
type mortal struct {
	t        *testing.T
	dir      string
	capacity int
	cache    func() cache
	host     host
	between  func(records []record) []record // what befalls the journal while no process runs
	wrap     func(*Memory) Store

	mu     sync.Mutex
	memory *Memory
	store  Store
}

// death is a kill.
type death struct {
	called, returned int64
	at               time.Duration
}

func newMortal(t *testing.T, capacity int, c func() cache) *mortal {
	return &mortal{
		t: t, dir: t.TempDir(), capacity: capacity, cache: c, host: realHost,
		wrap: func(m *Memory) Store { return m },
	}
}

func (s *mortal) start() *mortal {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := newMemory(s.capacity, s.cache())
	m.settler.start()
	if err := m.openJournal(JournalOptions{Dir: s.dir}, s.host); err != nil {
		s.t.Fatal(err)
	}
	s.memory, s.store = m, s.wrap(m)
	s.t.Cleanup(func() { kill(m) })
	return s
}

func (s *mortal) now() (*Memory, Store) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory, s.store
}

func (s *mortal) Begin(ctx context.Context, id ID, o Options) (Outcome, error) {
	_, store := s.now()
	return store.Begin(ctx, id, o)
}

func (s *mortal) Forget(ctx context.Context, id ID) (bool, error) {
	_, store := s.now()
	return store.Forget(ctx, id)
}

func (s *mortal) ForgetEndpoint(ctx context.Context, endpoint string) error {
	_, store := s.now()
	return store.ForgetEndpoint(ctx, endpoint)
}

func (s *mortal) Close(ctx context.Context) error {
	_, store := s.now()
	return store.Close(ctx)
}

// tear leaves a part of a record, as a machine that fails may.
func (s *mortal) tear(rng *rand.Rand) {
	numbers, err := segmentNumbers(s.dir)
	if err != nil || len(numbers) == 0 {
		return
	}
	f, err := os.OpenFile(filepath.Join(s.dir, segmentName(numbers[len(numbers)-1])), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	torn := record{kindCommit, nthID(rng.IntN(16)), time.Now().UnixNano(), time.Hour}.appendTo(nil)
	_, _ = f.Write(torn[:1+rng.IntN(recordSize-1)])
}

// rewrite changes what the journal says.
func (s *mortal) rewrite(change func([]record) []record) {
	numbers, err := segmentNumbers(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	var records []record
	for _, n := range numbers {
		path := filepath.Join(s.dir, segmentName(n))
		data, err := os.ReadFile(path)
		if err != nil {
			s.t.Fatal(err)
		}
		scan(data, func(r record) { records = append(records, r) })
		_ = os.Remove(path)
	}
	var data []byte
	for _, r := range change(records) {
		data = r.appendTo(data)
	}
	if len(numbers) > 0 {
		path := filepath.Join(s.dir, segmentName(numbers[len(numbers)-1]))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}

// restart ends the process every few seconds and starts it again.
func (m *model) restart(ended <-chan struct{}, rng *rand.Rand) {
	m.deaths = map[*Memory]death{}
	for {
		select {
		case <-ended:
			return
		case <-time.After(time.Duration(1+rng.IntN(80)) * modelStep):
		}
		memory, _ := m.mortal.now()
		if rng.IntN(3) == 0 {
			if err := memory.Close(context.Background()); err != nil {
				m.mortal.t.Errorf("Close: %v", err)
			}
		} else {
			d := death{called: m.seq.Add(1), at: time.Since(m.start)}
			kill(memory)
			d.returned = m.seq.Add(1)
			m.deaths[memory] = d
			if rng.IntN(2) == 0 {
				m.mortal.tear(rng)
			}
		}
		if m.mortal.between != nil {
			m.mortal.rewrite(m.mortal.between)
		}
		m.mortal.start()
	}
}

// buryTheDead ends with their process the forwards that it did not survive.
func (m *model) buryTheDead() {
	for i := range m.deliveries {
		f := &m.deliveries[i].forward
		if f.by == nil {
			continue
		}
		d, died := m.deaths[f.by.store]
		switch {
		case !died || f.ended < d.called:
		case f.ending > d.returned:
			f.success, f.ending, f.ended, f.at = false, d.called, d.returned, d.at
		default:
			f.success, f.perhaps, f.ended = false, f.success, max(f.ended, d.returned)
		}
	}
}

func TestModelWithRestarts(t *testing.T) {
	for _, setUp := range setUps {
		t.Run(setUp.name, func(t *testing.T) {
			var counts [Busy + 1]int
			var deaths int
			for seed := range uint64(*seeds/10 + 1) { // each of them takes longer
				synctest.Test(t, func(t *testing.T) {
					rng := rand.New(rand.NewPCG(seed, 1<<32))
					s := newMortal(t, setUp.capacity, func() cache { return setUp.cache(t, rng) }).start()
					model := &model{store: s, ids: 16, mortal: s}
					model.run(t, seed)
					for _, violation := range model.check(setUp.capacity) {
						t.Errorf("seed %d: %s", seed, violation)
					}
					for _, d := range model.deliveries {
						counts[d.outcome.Kind]++
					}
					deaths += len(model.deaths)
				})
				if t.Failed() {
					return
				}
			}
			t.Logf("%d seeds: %d forwards, %d duplicates, %d busy, %d kills, none out of order",
				*seeds/10+1, counts[Forward], counts[Duplicate], counts[Busy], deaths)
		})
	}
}

// restartMutants have one fault each in what they keep through a restart.
var restartMutants = []struct {
	name     string
	capacity int
	spoil    func(s *mortal)
}{
	{"starts afresh", DefaultCapacity, befalling(func([]record) []record { return nil })},
	{"loses the last record", DefaultCapacity, befalling(func(all []record) []record {
		return all[:max(len(all)-1, 0)]
	})},
	{"writes after the answer", DefaultCapacity, func(s *mortal) {
		s.host.create = func(path string) (segmentFile, error) {
			f, err := createSegment(path)
			return &bufferedFile{segmentFile: f}, err
		}
	}},
	{"goes on behind a torn record", DefaultCapacity, func(s *mortal) {
		s.host.create = func(path string) (segmentFile, error) {
			numbers, err := segmentNumbers(s.dir)
			if err != nil || len(numbers) == 0 {
				return createSegment(path)
			}
			last := filepath.Join(s.dir, segmentName(numbers[len(numbers)-1]))
			f, err := os.OpenFile(last, os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = f.WriteString("torn")
			}
			return f, err
		}
	}},
	{"takes the start for the time of the commit", DefaultCapacity, eachRecord(func(r *record) bool {
		r.at = time.Now().UnixNano()
		return true
	})},
	{"takes commits for older than they are", DefaultCapacity, eachRecord(func(r *record) bool {
		r.at -= int64(time.Second)
		return true
	})},
	{"ignores when a commit expires", DefaultCapacity, eachRecord(func(r *record) bool {
		r.window = time.Hour
		return true
	})},
	{"shortens windows", DefaultCapacity, eachRecord(func(r *record) bool {
		r.window -= r.window / 5
		return true
	})},
	{"ignores that a delivery was forgotten", DefaultCapacity, eachRecord(func(r *record) bool {
		return r.kind != kindForget
	})},
	{"ignores that an endpoint was forgotten", DefaultCapacity, eachRecord(func(r *record) bool {
		return r.kind != kindForgetEndpoint
	})},
	{"forgets for good", DefaultCapacity, eachRecord(func(r *record) bool {
		if r.kind == kindForget {
			r.at += int64(modelLongest)
		}
		return true
	})},
	{"keeps the oldest", 6, befalling(func(all []record) []record {
		return all[:min(len(all), 12)]
	})},
	{"writes before the outcome", DefaultCapacity, func(s *mortal) {
		s.wrap = func(m *Memory) Store {
			return wrapper{m, func(ctx context.Context, id ID, o Options) (Outcome, error) {
				out, err := m.Begin(ctx, id, o)
				if out.Claim != nil {
					m.journal.Load().append(slot{id, commit{m.stamp(), o.Window}})
				}
				return out, err
			}}
		}
	}},
}

func befalling(f func([]record) []record) func(*mortal) {
	return func(s *mortal) { s.between = f }
}

func eachRecord(f func(*record) (keep bool)) func(*mortal) {
	return befalling(func(all []record) []record {
		var kept []record
		for _, r := range all {
			if r.kind == kindHeader || f(&r) {
				kept = append(kept, r)
			}
		}
		return kept
	})
}

// bufferedFile has in memory what was not synced.
type bufferedFile struct {
	segmentFile
	mu     sync.Mutex
	buffer []byte
}

func (f *bufferedFile) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buffer = append(f.buffer, b...)
	return len(b), nil
}

func (f *bufferedFile) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.segmentFile.Write(f.buffer)
	f.buffer = nil
	return err
}

func TestModelFindsEveryRestartMutant(t *testing.T) {
	for _, mutant := range restartMutants {
		t.Run(mutant.name, func(t *testing.T) {
			modelFinds(t, mutant.capacity, func(t *testing.T, _ *rand.Rand) Store {
				s := newMortal(t, mutant.capacity, func() cache { return mustRistretto(t, unlimited) })
				mutant.spoil(s)
				return s.start()
			})
		})
	}
}
