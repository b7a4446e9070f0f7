//go:build unix

package transport

import (
	"errors"
	"net"
	"syscall"
)

// peeker returns a function that tells whether a connection is open and silent.
// It asks the kernel, without waiting and without taking anything.
func peeker(conn net.Conn) func() bool {
	open := func() bool { return true }
	inner, ok := conn.(syscall.Conn)
	if !ok {
		return open
	}
	raw, err := inner.SyscallConn()
	if err != nil {
		return open
	}
	var silent bool
	var next [1]byte
	look := func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), next[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		silent = errors.Is(err, syscall.EAGAIN)
		return true
	}
	return func() bool { return raw.Read(look) == nil && silent }
}
