package dedup

import (
	"context"
	"maps"
	"math"
	"time"
)

// Forget implements Store. Where there is a journal, the error may wrap ErrJournal.
func (m *Memory) Forget(_ context.Context, id ID) (known bool, err error) {
	return m.forget(id, m.barrier())
}

// forget is Forget for what was committed until then.
func (m *Memory) forget(id ID, until time.Duration) (known bool, err error) {
	if m.closed() {
		return false, ErrClosed
	}
	m.forgetting.Lock()
	m.noteForgotten(until)
	at, known := m.forgetUntil(id, until)
	m.forgetting.Unlock()
	if j := m.journal.Load(); known && j != nil {
		err = j.forget(kindForget, id, at)
	}
	return known, err
}

// forgetUntil forgets what was committed under id until then, and returns when.
func (m *Memory) forgetUntil(id ID, until time.Duration) (at time.Duration, known bool) {
	sh := m.table.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if m.closed() {
		return 0, false
	}
	at, known = m.last(sh, id)
	if known = known && at <= until; known {
		m.noteForgotten(at)
		e := slot{id, grave(at)}
		sh.put(e)
		m.settler.bury(e)
	}
	return at, known
}

// exhume removes a grave once the cache hides what it stands for.
func (m *Memory) exhume(e slot) {
	sh := m.table.shard(e.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.has(e) {
		sh.remove(e.id)
	}
}

// ForgetEndpoint implements Store. It takes no time: what was committed before
// is no longer recognised, and leaves the memory when its window is over. Where
// there is a journal, the error may wrap ErrJournal.
func (m *Memory) ForgetEndpoint(_ context.Context, endpoint string) error {
	return m.forgetEndpoint(endpointID(endpoint), m.barrier())
}

// forgetEndpoint is ForgetEndpoint for what was committed until then.
func (m *Memory) forgetEndpoint(endpoint ID, until time.Duration) error {
	if m.closed() {
		return ErrClosed
	}
	m.forgetEndpointUntil(endpoint, until)
	if j := m.journal.Load(); j != nil {
		return j.forget(kindForgetEndpoint, endpoint, until)
	}
	return nil
}

func (m *Memory) forgetEndpointUntil(endpoint ID, until time.Duration) {
	m.forgetting.Lock()
	defer m.forgetting.Unlock()
	m.noteForgotten(until)
	endpoints := map[ID]time.Duration{}
	if known := m.endpoints.Load(); known != nil {
		endpoints = maps.Clone(*known)
	}
	raise(endpoints, endpoint, until)
	m.endpoints.Store(&endpoints)
}

// endpointID stands for the name, which may be of any length.
func endpointID(name string) ID { return NewID(name, "endpoint", "") }

// forgottenUntil returns the time until which the endpoint's commits do not count.
func (m *Memory) forgottenUntil(endpoint string) time.Duration {
	if endpoints := m.endpoints.Load(); endpoints != nil {
		if until, ok := (*endpoints)[endpointID(endpoint)]; ok {
			return until
		}
	}
	return math.MinInt64
}

// noteForgotten notes that commits until then may be forgotten: those to come
// are later, however coarse the clock.
func (m *Memory) noteForgotten(until time.Duration) {
	for {
		latest := m.forgotten.Load()
		if latest >= int64(until) || m.forgotten.CompareAndSwap(latest, int64(until)) {
			return
		}
	}
}

// barrier returns a time that no commit so far is later than, and all those to come
// are.
func (m *Memory) barrier() time.Duration {
	m.forgetting.Lock()
	defer m.forgetting.Unlock()
	until := m.stamp()
	m.noteForgotten(until)
	return until
}

// stamp returns the time for a commit: now, but later than all that is forgotten.
func (m *Memory) stamp() time.Duration {
	return max(m.now(), time.Duration(m.forgotten.Load())+1)
}
