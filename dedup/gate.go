package dedup

import "sync"

// gate counts who is inside, and knows when the last one has left after it was
// closed.
type gate struct {
	closing chan struct{} // closed when nobody enters any more
	idle    chan struct{} // closed when then nobody is inside any more

	mu     sync.Mutex
	inside int
	shut   bool
}

func newGate() *gate {
	return &gate{closing: make(chan struct{}), idle: make(chan struct{})}
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut {
		g.inside++
	}
	return !g.shut
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.settle()
}

func (g *gate) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

// close lets nobody in any more.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut {
		g.shut = true
		close(g.closing)
		g.settle()
	}
}

func (g *gate) settle() {
	if g.shut && g.inside == 0 {
		close(g.idle)
	}
}
