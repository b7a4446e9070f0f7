//go:build unix

package main

import (
	"syscall"
	"testing"
)

func TestThereAreNoCoreDumps(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur != 0 || limit.Max != 0 {
		t.Errorf("a core dump may have %d bytes, or %d", limit.Cur, limit.Max)
	}
}
