package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// run sends deliveries of one case to the target and measures what they cost.
func (t *running) run(ctx context.Context, c benchCase) (sample, error) {
	if c.kind == copied { // of which the first is none
		if _, err := t.load(ctx, c, 1, time.Millisecond); err != nil {
			return sample{}, err
		}
	}
	if _, err := t.load(ctx, c, connections, 300*time.Millisecond); err != nil { // fills pools and caches
		return sample{}, err
	}
	before, err := t.processorTime()
	if err != nil {
		return sample{}, err
	}
	latencies, err := t.load(ctx, c, connections, *duration)
	if err != nil {
		return sample{}, err
	}
	after, err := t.processorTime()
	if err != nil {
		return sample{}, err
	}
	slices.Sort(latencies)
	n := len(latencies)
	return sample{
		deliveries: n,
		processor:  (after - before) / time.Duration(n),
		p50:        latencies[n/2],
		p99:        latencies[n*99/100],
	}, nil
}

// load sends for as long as d over n connections, and returns how long each
// delivery took.
func (t *running) load(ctx context.Context, c benchCase, n int, d time.Duration) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	due := alwaysDue
	if c.fixed {
		due = pacer(time.Second / time.Duration(*rate))
	}
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		all   []time.Duration
		errs  []error
	)
	for range n {
		group.Go(func() {
			latencies, err := t.sendOn(ctx, c, due)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, latencies...)
			if len(errs) == 0 && err != nil { // those of the others are alike
				errs = append(errs, err)
			}
		})
	}
	group.Wait()
	if len(all) == 0 {
		errs = append(errs, errors.New("no delivery got through"))
	}
	return all, errors.Join(errs...)
}

// patience is how long anything may take before it counts as broken.
const patience = 10 * time.Second

// sendOn sends one delivery after another on one connection.
func (t *running) sendOn(ctx context.Context, c benchCase, due func(context.Context) (time.Time, bool)) ([]time.Duration, error) {
	dialer := net.Dialer{Timeout: patience}
	connection, err := dialer.DialContext(context.WithoutCancel(ctx), "tcp", t.address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = connection.Close() }() // the last one
	answers := bufio.NewReader(connection)
	letter := newLetter(c, t.address)
	var latencies []time.Duration
	for {
		start, ok := due(ctx)
		if !ok && len(latencies) > 0 { // however short the time, each sends one
			return latencies, nil
		}
		if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
			return nil, err
		}
		// A refusal may come, and the connection be closed, before all is written.
		_, writeErr := connection.Write(letter.next())
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			return nil, errors.Join(writeErr, err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			return nil, err
		}
		first := c.kind == copied && string(body) == answerText
		if !first && !c.wanted(answer.StatusCode, string(body)) {
			return nil, fmt.Errorf("answered %d %.100q", answer.StatusCode, body)
		}
		latencies = append(latencies, time.Since(start))
		if answer.Close {
			_ = connection.Close()
			if connection, err = dialer.DialContext(context.WithoutCancel(ctx), "tcp", t.address); err != nil {
				return nil, err
			}
			answers.Reset(connection)
		}
	}
}

func alwaysDue(ctx context.Context) (time.Time, bool) { return time.Now(), ctx.Err() == nil }

// pacer returns a function that hands out the times at which deliveries are due. A target that is late is late for all that were
// due meanwhile.
func pacer(interval time.Duration) func(context.Context) (time.Time, bool) {
	var mu sync.Mutex
	next := time.Now()
	return func(ctx context.Context) (time.Time, bool) {
		mu.Lock()
		at := next
		next = next.Add(interval)
		mu.Unlock()
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		select {
		case <-timer.C:
			return at, true
		case <-ctx.Done():
			return at, false
		}
	}
}
