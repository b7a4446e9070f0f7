package main

import (
	"os"
	"testing"
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
