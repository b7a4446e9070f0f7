package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// writeProfile records where hookpass spends its time on the chosen cases, each
// of which gets the same share. The compiler optimizes for such a profile, see
// "go help build", -pgo.
func (l *lab) writeProfile(path string) error {
	at := slices.IndexFunc(l.running, func(t *running) bool { return t.name == product })
	if at < 0 {
		return errors.New("a profile is of hookpass, which is not among the targets")
	}
	t := l.running[at]
	chosen := slices.DeleteFunc(slices.Clone(allCases), func(c benchCase) bool { return !c.chosen() })
	if len(chosen) == 0 {
		return errors.New("no such case")
	}
	profiled := make(chan error, 1)
	go func() { profiled <- t.fetchProfile(l.ctx, path, time.Duration(len(chosen))**duration) }()
	for _, c := range chosen {
		if _, err := t.load(l.ctx, c, connections, *duration); err != nil {
			return err
		}
	}
	return <-profiled
}

// fetchProfile asks Caddy's admin endpoint for a processor profile.
func (t *running) fetchProfile(ctx context.Context, path string, d time.Duration) error {
	socket := filepath.Join(t.dir, "admin.sock")
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://localhost/debug/pprof/profile?seconds=%.0f", d.Seconds()), http.NoBody)
	if err != nil {
		return err
	}
	r.Host = "" // Caddy takes none over a socket
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	profile, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("no profile: %s %.200s", answer.Status, profile)
	}
	return os.WriteFile(path, profile, 0o644) //nolint:gosec // everybody may read it
}
