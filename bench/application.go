package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

const answerText = "handled"

// startApplication runs what the deliveries are for. It belongs to the load: its
// processor time is not counted.
func startApplication(ctx context.Context) (address string, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, answerText)
		}),
		ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String(), nil
}
