package dedup

import "testing"

func TestNewIDSeparatesItsParts(t *testing.T) {
	ids := make(map[ID][3]string)
	for _, parts := range [][3]string{
		{"a", "id", "bc"},
		{"ab", "id", "c"},
		{"abid", "", "c"},
		{"a", "idb", "c"},
		{"", "aid", "bc"},
		{"a", "content", "bc"},
		{"a", "id", ""},
		{"aid", "", ""},
		{"", "", "aid"},
		{"\x01a", "id", "bc"},
		{"a\x02id", "", "bc"},
	} {
		id := NewID(parts[0], parts[1], parts[2])
		if first, ok := ids[id]; ok {
			t.Errorf("%q and %q have the same id", first, parts)
		}
		ids[id] = parts
		if again := NewID(parts[0], parts[1], parts[2]); again != id {
			t.Errorf("%q has two ids: %x and %x", parts, id, again)
		}
	}
}

func TestNewIDDoesNotAllocate(t *testing.T) {
	endpoint, kind, id := "saltare-prod", "id", "0190b5c4-7d6f-7c3e-9d55-6f1f0f6a4c11"
	if n := testing.AllocsPerRun(100, func() { NewID(endpoint, kind, id) }); n != 0 {
		t.Errorf("NewID allocates %v times, want 0", n)
	}
}

// FuzzNewID: two deliveries have one ID only if they agree in every part.
func FuzzNewID(f *testing.F) {
	f.Add("a", "id", "bc", "ab", "id", "c")
	f.Add("a", "id", "bc", "a", "idb", "c")
	f.Add("", "", "x", "", "x", "")
	f.Add("e", "id", "x", "e", "content", "x")
	f.Add("e", "id", "x", "e", "id", "x")
	f.Fuzz(func(t *testing.T, e1, k1, i1, e2, k2, i2 string) {
		same := e1 == e2 && k1 == k2 && i1 == i2
		if got := NewID(e1, k1, i1) == NewID(e2, k2, i2); got != same {
			t.Errorf("(%q, %q, %q) and (%q, %q, %q): equal ids: %v, want %v", e1, k1, i1, e2, k2, i2, got, same)
		}
		// Moving the boundary between two parts makes another delivery.
		if len(i1) > 0 && NewID(e1, k1+i1[:1], i1[1:]) == NewID(e1, k1, i1) {
			t.Errorf("(%q, %q, %q): the boundary of kind and id does not count", e1, k1, i1)
		}
		if len(k1) > 0 && NewID(e1+k1[:1], k1[1:], i1) == NewID(e1, k1, i1) {
			t.Errorf("(%q, %q, %q): the boundary of endpoint and kind does not count", e1, k1, i1)
		}
	})
}
