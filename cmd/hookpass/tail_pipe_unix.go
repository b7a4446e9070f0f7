//go:build unix

package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// whileRead returns a context that ends when nobody reads a pipe any more: until the
// next delivery, writing would not tell.
func whileRead(ctx context.Context, pipe *os.File) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		fds := []unix.PollFd{{Fd: int32(pipe.Fd())}} //nolint:gosec // G115: it is the standard output
		for {
			n, err := unix.Poll(fds, -1)
			switch {
			case errors.Is(err, unix.EINTR):
			case err == nil && n > 0 && fds[0].Revents&unix.POLLERR != 0:
				cancel()
				return
			default:
				return
			}
		}
	}()
	return ctx, cancel
}
