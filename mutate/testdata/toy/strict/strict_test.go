// Package strict minds every mutant that somebody could mind.
package strict

import (
	"errors"
	"testing"

	"toy.example"
)

func TestPut(t *testing.T) {
	for n, want := range map[int]error{0: toy.ErrNone, 1: nil, 9: nil, 10: toy.ErrNone} {
		if err := toy.New().Put(n); !errors.Is(err, want) {
			t.Errorf("Put(%d): %v, want %v", n, err, want)
		}
	}
}

func TestBoth(t *testing.T) {
	if !toy.Both(true, false) || toy.Both(true, true) || toy.Both(false, false) {
		t.Error("not both")
	}
}

func TestTake(t *testing.T) {
	names, took, err := toy.Take([]string{"a", "b"}, 1)
	if len(names) != 1 || took != 1 || err != nil {
		t.Error(names, took, err)
	}
	if _, _, err := toy.Take([]string{"a", "b"}, 2); err == nil {
		t.Error("took all")
	}
}

func TestSum(t *testing.T) {
	if got := toy.Sum(1, 0, 2); got != 3 {
		t.Error(got)
	}
}

func TestKind(t *testing.T) {
	if toy.Kind(1) != "small" || toy.Kind(2) != "large" || toy.Kind(0) != "small" {
		t.Error("kinds differ")
	}
}

func TestLeast(t *testing.T) {
	if toy.Least(1, 2) != 1 || toy.Least(2, 1) != 1 {
		t.Error("not the least")
	}
}
