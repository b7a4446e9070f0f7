//go:build unix

package main

import (
	"os"
	"syscall"
)

// A core dump has every secret in it. Whoever wants one says so as Go has it.
func init() {
	if os.Getenv("GOTRACEBACK") != "crash" {
		_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) // lowering is always allowed
	}
}
