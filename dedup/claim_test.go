package dedup

import "testing"

func TestPendingCommitsStayUntilEachIsRemoved(t *testing.T) {
	sh := &newTable()[0]
	sh.reserve(8)
	for i := range 2*batchSize + 1 {
		sh.put(numbered(i + 1))
	}
	sh.reserve(8)
	for i := range 2 * batchSize {
		if !sh.has(numbered(i+1)) || !sh.has(numbered(i+2)) {
			t.Fatalf("commit %d or the next one is lost", i)
		}
		sh.remove(numbered(i + 1).id)
		if sh.has(numbered(i + 1)) {
			t.Fatalf("commit %d is there still", i)
		}
	}
}

// A map keeps the memory of the most that it has held.
func TestWhatAFloodTookIsGivenBack(t *testing.T) {
	for pending, kept := range map[int]int{1: 1, batchSize: batchSize, batchSize + 1: 0} {
		sh := &newTable()[0]
		for i := range pending {
			sh.put(numbered(i))
		}
		for i := range pending {
			sh.remove(numbered(i).id)
		}
		if sh.most != kept || len(sh.pending) != 0 {
			t.Errorf("of %d: most %d, pending %d", pending, sh.most, len(sh.pending))
		}
	}
}
