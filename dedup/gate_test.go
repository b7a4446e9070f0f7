package dedup

import "testing"

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestAGateIsIdleOnceTheLastHasLeftAfterItWasClosed(t *testing.T) {
	g := newGate()
	want := func(when string, shut, idle bool) {
		t.Helper()
		if g.isClosed() != shut || isDone(g.closing) != shut || isDone(g.idle) != idle {
			t.Errorf("%s: closed %t, closing %t, idle %t", when, g.isClosed(), isDone(g.closing), isDone(g.idle))
		}
	}
	for range 3 {
		if !g.enter() {
			t.Fatal("an open gate lets nobody in")
		}
	}
	g.leave()
	want("open", false, false)
	g.close()
	want("closed with two inside", true, false)
	if g.enter() {
		t.Error("a closed gate lets somebody in")
	}
	g.leave()
	want("closed with one inside", true, false)
	g.close()
	g.leave()
	want("closed and left", true, true)
	g.close()
	want("closed again", true, true)
}

func TestAnEmptyGateIsIdleAsSoonAsItIsClosed(t *testing.T) {
	g := newGate()
	if g.enter(); isDone(g.idle) {
		t.Error("idle while open")
	}
	g.leave()
	if isDone(g.idle) {
		t.Error("an open gate has closed its channel")
	}
	g.close()
	if !isDone(g.idle) {
		t.Error("not idle")
	}
}
