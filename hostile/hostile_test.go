package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	beHookpass()
	os.Exit(m.Run())
}

func TestHostileRequests(t *testing.T) {
	tried := 0
	if err := run(t.Context(), t.TempDir(), themes, func(o outcome) {
		tried++
		for _, problem := range o.problems {
			t.Errorf("%s: %s: %s", o.theme, o.attack.name, problem)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if tried < 300 {
		t.Errorf("only %d requests were tried", tried)
	}
}

// How fast genuine deliveries are meanwhile, the command tells: here they only have
// to pass.
func TestFloods(t *testing.T) {
	endured := 0
	if err := flooded(t.Context(), filepath.Join(t.TempDir(), "lab"), 100, 200*time.Millisecond, func(suffered) { endured++ }); err != nil {
		t.Error(err)
	}
	if endured != len(floods) {
		t.Errorf("%d of %d floods were endured", endured, len(floods))
	}
}
