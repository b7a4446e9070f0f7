package dedup

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeServer does what Redis would, by the clock of the test. testServer holds it
// and Redis to the same.
type fakeServer struct {
	mu    sync.Mutex
	keys  map[string]fakeKey
	notes map[string]map[string]string
}

type fakeKey struct {
	value   string
	expires time.Time
}

func newFakeServer() *fakeServer {
	return &fakeServer{keys: map[string]fakeKey{}, notes: map[string]map[string]string{}}
}

func (f *fakeServer) client() server { return f }

// value needs f.mu held.
func (f *fakeServer) value(key string) string {
	if k := f.keys[key]; time.Now().Before(k.expires) {
		return k.value
	}
	return ""
}

// put needs f.mu held.
func (f *fakeServer) put(p pair) {
	if p.value == "" {
		delete(f.keys, p.key)
		return
	}
	f.keys[p.key] = fakeKey{p.value, time.Now().Add(p.ttl)}
}

func (f *fakeServer) claim(_ context.Context, p pair) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.value(p.key) == "" {
		f.put(p)
	}
	return f.value(p.key), nil
}

func (f *fakeServer) set(_ context.Context, p pair) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.value(p.key)
	f.put(p)
	return before, nil
}

func (f *fakeServer) get(_ context.Context, key string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.value(key), nil
}

func (f *fakeServer) swap(_ context.Context, from string, p pair) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.value(p.key) == from {
		f.put(p)
	}
	return nil
}

func (f *fakeServer) setAll(ctx context.Context, pairs []pair) []error {
	for _, p := range pairs {
		_, _ = f.set(ctx, p)
	}
	return make([]error, len(pairs))
}

func (f *fakeServer) note(_ context.Context, key, field, value string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes[key] = maps.Clone(f.notes[key])
	if f.notes[key] == nil {
		f.notes[key] = map[string]string{}
	}
	f.notes[key][field] = value
	return nil
}

func (f *fakeServer) allNotes(_ context.Context, key string) (map[string]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.notes[key]), nil
}

func (f *fakeServer) unnote(_ context.Context, key string, fields []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.notes[key], func(field, _ string) bool { return slices.Contains(fields, field) })
	return nil
}

func (f *fakeServer) info(context.Context) (version, policy string, err error) {
	return "7.0.15", "noeviction", nil
}

func (f *fakeServer) Close() error { return nil }

// testServer is what a Redis store relies on.
func testServer(t *testing.T, s server, sleep func(time.Duration)) {
	const ttl = 40 * time.Millisecond
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	wantValue := func(key, want string) {
		t.Helper()
		if got, err := s.get(ctx, key); err != nil || got != want {
			t.Errorf("%s holds %q, %v, want %q", key, got, err, want)
		}
	}
	claim := func(p pair, want string) {
		t.Helper()
		if got, err := s.claim(ctx, p); err != nil || got != want {
			t.Errorf("claim of %v = %q, %v, want %q", p, got, err, want)
		}
	}
	wantValue("a", "")
	claim(pair{"a", "p:1", time.Minute}, "p:1")
	claim(pair{"a", "p:1", time.Minute}, "p:1")
	claim(pair{"a", "p:2", time.Minute}, "p:1")
	must(s.swap(ctx, "p:2", pair{"a", "", 0}))
	wantValue("a", "p:1")
	must(s.swap(ctx, "p:1", pair{"a", "", 0}))
	wantValue("a", "")
	must(s.swap(ctx, "p:1", pair{"a", "p:2", time.Minute}))
	wantValue("a", "")

	for _, want := range []string{"", "d:1", "d:1"} {
		if got, err := s.set(ctx, pair{"a", "d:1", time.Minute}); err != nil || got != want {
			t.Errorf("set = %q, %v, want %q", got, err, want)
		}
	}
	must(s.swap(ctx, "d:1", pair{"a", "p:2", ttl}))
	claim(pair{"b", "p:1", ttl}, "p:1")
	must(errors.Join(s.setAll(ctx, []pair{{"c", "d:3", ttl}, {"d", "d:4", time.Minute}})...))
	wantValue("a", "p:2")
	wantValue("c", "d:3")
	claim(pair{"b", "p:1", time.Minute}, "p:1") // does not renew the lease
	sleep(ttl + time.Millisecond)
	for _, key := range []string{"a", "b", "c"} {
		wantValue(key, "")
	}
	wantValue("d", "d:4")
	must(errors.Join(s.setAll(ctx, nil)...))

	wantNotes := func(want map[string]string) {
		t.Helper()
		if got, err := s.allNotes(ctx, "n"); err != nil || !maps.Equal(got, want) {
			t.Errorf("notes are %v, %v, want %v", got, err, want)
		}
	}
	wantNotes(nil)
	must(s.note(ctx, "n", "x", "1"))
	must(s.note(ctx, "n", "y", "2"))
	must(s.note(ctx, "n", "x", "3"))
	wantNotes(map[string]string{"x": "3", "y": "2"})
	must(s.unnote(ctx, "n", []string{"y", "z"}))
	wantNotes(map[string]string{"x": "3"})

	if version, policy, err := s.info(ctx); err != nil || version < "7" || policy != "noeviction" {
		t.Errorf("info = %s, %s, %v", version, policy, err)
	}
}

func TestServer(t *testing.T) {
	t.Run("fake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { testServer(t, newFakeServer(), time.Sleep) })
	})
	t.Run("redis", func(t *testing.T) {
		testServer(t, startRedis(t).client(t), time.Sleep)
	})
}
