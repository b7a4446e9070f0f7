//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package dedup

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the lock that f stands for, unless another process has it. It is
// held until f is closed, however the process ends.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
