package main

import (
	"errors"
	"strings"
	"testing"
)

// everything that is changed in testdata/toy/toy.go.
const everything = `toy.go:11: strict: func() bool { return true }() → true
toy.go:11: strict: func() bool { return true }() → false
toy.go:11: strict: true → false
toy.go:21: box.Put: b.n = n → nothing
toy.go:18: box.Put: n < 1 || n > most → true
toy.go:18: box.Put: n < 1 || n > most → false
toy.go:18: box.Put: n < 1 → false
toy.go:18: box.Put: n > most → false
toy.go:18: box.Put: n < 1 → n <= 1
toy.go:18: box.Put: n > most → n >= most
toy.go:19: box.Put: ErrNone → nil
toy.go:26: Both: a && !b → true
toy.go:26: Both: a && !b → false
toy.go:26: Both: a → true
toy.go:26: Both: !b → true
toy.go:30: Take: n >= len(names) && strict → true
toy.go:30: Take: n >= len(names) && strict → false
toy.go:30: Take: n >= len(names) → true
toy.go:30: Take: strict → true
toy.go:30: Take: n >= len(names) → n > len(names)
toy.go:31: Take: ErrNone → nil
toy.go:33: Take: names[:n] → zero
toy.go:33: Take: time.Duration(n) → zero
toy.go:41: Sum: total += n → nothing
toy.go:38: Sum: n == 0 → true
toy.go:38: Sum: n == 0 → false
toy.go:39: Sum: continue → nothing
toy.go:43: Sum: total → zero
toy.go:48: Kind: n-1 <= 0 → true
toy.go:48: Kind: n-1 <= 0 → false
toy.go:48: Kind: n-1 <= 0 → n-1 < 0
toy.go:48: Kind: n-1 → n + 1
toy.go:49: Kind: "small" → zero
toy.go:51: Kind: "large" → zero
toy.go:56: Least: a < b → true
toy.go:56: Least: a < b → false
toy.go:56: Least: a < b → a <= b
toy.go:57: Least: a → zero
toy.go:59: Least: b → zero
39 mutants, 0 killed, 39 survived, of which 0 are explained
`

const equivalent = `
# Only zeros are left out of the sum,
# which adds nothing to it.
toy.go: Sum: n == 0 → false
toy.go: Sum: continue → nothing

# Which of two equal numbers is returned, makes no difference.
toy.go: Least: a < b → a <= b

# They are true already.
toy.go: strict: func() bool { return true }() → true
toy.go: Take: strict → true

# Nothing reads it.
toy.go: box.Put: b.n = n → nothing
`

func TestMutants(t *testing.T) {
	for _, tt := range []struct {
		name, accepted string
		args           []string
		printed        string
		err            error
	}{
		{"tests that mind nothing", "", []string{"-tests", "./lax", "-workers", "2", "toy.go"}, everything, errSurvivors},
		{
			"tests that mind all but what is accepted", equivalent,
			[]string{"-tests", "./lax,./strict", "toy.go"},
			"39 mutants, 33 killed, 6 survived, of which 6 are explained\n", nil,
		},
		{
			"a few tests before the others", equivalent,
			[]string{"-tests", "./strict", "-first", "Sum", "-match", " Sum: ", "toy.go"},
			"5 mutants, 3 killed, 2 survived, of which 2 are explained\n", nil,
		},
		{
			"what is accepted and yet killed", "# Wrong.\ntoy.go: Both: a → true",
			[]string{"-tests", "./strict", "-match", " Both: ", "toy.go"},
			"toy.go:26: Both: a → true: killed, and yet in accepted.txt\n4 mutants, 4 killed, 0 survived, of which 0 are explained\n", nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir("testdata/toy")
			var printed strings.Builder
			if err := run(t.Context(), tt.args, tt.accepted, &printed); !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if printed.String() != tt.printed {
				t.Errorf("printed\n%swant\n%s", printed.String(), tt.printed)
			}
		})
	}
}

func TestEachAcceptedMutantHasItsReason(t *testing.T) {
	if _, err := parseAccepted(accepted); err != nil {
		t.Error(err)
	}
	if _, err := parseAccepted("# A reason.\na.go: F: x → y\n\na.go: F: y → z"); err == nil {
		t.Error("taken without a reason")
	}
}
