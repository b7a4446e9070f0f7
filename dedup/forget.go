package dedup

import (
	"context"
	"maps"
	"math"
	"time"
)

// Forget implements Store.
func (m *Memory) Forget(_ context.Context, id ID) (known bool, err error) {
	m.forgetting.Lock()
	defer m.forgetting.Unlock()
	sh := m.table.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if m.closed() {
		return false, ErrClosed
	}
	at, known := m.last(sh, id)
	if known {
		m.noteForgotten(at)
		sh.pending[id] = grave(at)
		m.settler.bury(slot{id, at})
	}
	return known, nil
}

// exhume removes a grave once the cache hides what it stands for.
func (m *Memory) exhume(e slot) {
	sh := m.table.shard(e.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if c, ok := sh.pending[e.id]; ok && c == grave(e.at) {
		delete(sh.pending, e.id)
	}
}

// ForgetEndpoint implements Store. It takes no time: what was committed before
// is no longer recognised, and leaves the memory when its window is over.
func (m *Memory) ForgetEndpoint(_ context.Context, endpoint string) error {
	m.forgetting.Lock()
	defer m.forgetting.Unlock()
	if m.closed() {
		return ErrClosed
	}
	endpoints := map[ID]time.Duration{}
	if known := m.endpoints.Load(); known != nil {
		endpoints = maps.Clone(*known)
	}
	until := m.stamp()
	m.noteForgotten(until)
	endpoints[endpointID(endpoint)] = until
	m.endpoints.Store(&endpoints)
	return nil
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
// are later, however coarse the clock. It needs m.forgetting held.
func (m *Memory) noteForgotten(until time.Duration) {
	m.forgotten.Store(max(m.forgotten.Load(), int64(until)))
}

// stamp returns the time for a commit: now, but later than all that is forgotten.
func (m *Memory) stamp() time.Duration {
	return max(m.now(), time.Duration(m.forgotten.Load())+1)
}
