//go:build !unix

package main

import (
	"context"
	"os"
)

// whileRead leaves it to the next delivery to tell that nobody reads the pipe.
func whileRead(ctx context.Context, _ *os.File) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}
