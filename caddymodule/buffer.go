package caddymodule

import (
	"math/bits"
	"sync"
)

// Buffers are pooled by size, 4 KiB to 4 MiB, each twice the one before. They have
// room for a byte more than that, so that a body of such a size, which limits tend
// to be, shows its end.
const (
	smallestBuffer = 4 << 10
	bufferClasses  = 11
	bufferExtra    = 512
)

var bufferPools [bufferClasses]sync.Pool

// bufferClass returns the smallest class that holds size bytes, and its size.
func bufferClass(size int64) (class int, of int64) {
	class = bits.Len64(uint64(max(size-bufferExtra-1, 0)) / smallestBuffer)
	return class, smallestBuffer<<class + bufferExtra
}

// bufferSize is what a buffer for size bytes should be able to hold: as much as
// its class, unless that is far above the limit.
func bufferSize(size, limit int64) int64 {
	if _, of := bufferClass(size); of <= limit+bufferExtra {
		return of
	}
	return limit
}

// takeBuffer returns an empty buffer of the size.
func takeBuffer(size int64) *[]byte {
	if class, of := bufferClass(size); class < bufferClasses && of == size {
		if pooled, ok := bufferPools[class].Get().(*[]byte); ok {
			return pooled
		}
	}
	b := make([]byte, 0, size)
	return &b
}

// giveBuffer takes back a buffer, or nil, that nobody refers to any more.
func giveBuffer(b *[]byte) {
	if b == nil {
		return
	}
	if class, of := bufferClass(int64(cap(*b))); class < bufferClasses && of == int64(cap(*b)) {
		bufferPools[class].Put(b)
	}
}
