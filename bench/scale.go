package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hookpass/hookpass/dedup"
)

// figure is one number about hookpass alone.
type figure struct {
	name, value string
}

// scale measures what must not depend on how much there is of something.
func (l *lab) scale() ([]figure, error) {
	var figures []figure
	for _, part := range []func() ([]figure, error){l.scaleRate, l.scaleEndpoints, l.scaleMemory, l.slowSenders} {
		more, err := part()
		if err != nil {
			return nil, err
		}
		figures = append(figures, more...)
	}
	return figures, nil
}

// variant starts a target with another configuration than the usual one, made from
// it by edit.
func (l *lab) variant(of, name string, edit func(dir, config string) (string, error)) (*running, error) {
	fmt.Fprintf(os.Stderr, "\r%-60s", name)
	t := targetNamed(of)
	t.name, t.edit = name, edit
	if err := l.start(t); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return l.running[len(l.running)-1], nil
}

// scaleRate measures a delivery among few and among many, beside plain proxying, as
// to wake up costs any process more than a delivery.
func (l *lab) scaleRate() (figures []figure, err error) {
	rates := []int{10, 1_000, 50_000}
	ours, err := l.atRates(product, rates)
	if err != nil {
		return nil, err
	}
	theirs, err := l.atRates(plain, rates)
	if err != nil {
		return nil, err
	}
	for i, perMinute := range rates {
		figures = append(figures, figure{
			fmt.Sprintf("%d deliveries a minute, one connection", perMinute),
			fmt.Sprintf("%.1f µs (%.2f)", micros(ours[i]), float64(ours[i])/float64(theirs[i])),
		})
	}
	return figures, nil
}

// atRates returns the processor time of a delivery at so many a minute. What the
// process does without any is measured before, and taken off.
func (l *lab) atRates(of string, rates []int) (each []time.Duration, err error) {
	t, err := l.variant(of, "rates of "+of, nil)
	if err != nil {
		return nil, err
	}
	defer l.stopLast()
	if _, err := t.load(l.ctx, allCases[0], connections, time.Second); err != nil {
		return nil, err
	}
	idle, err := t.processorTimeOf(func() error { return sleep(l.ctx, 5**duration) })
	if err != nil {
		return nil, err
	}
	for _, perMinute := range rates {
		d := max(5**duration, time.Duration(*few)*time.Minute/time.Duration(perMinute))
		ctx, cancel := context.WithTimeout(l.ctx, d)
		sent := 0
		used, err := t.processorTimeOf(func() error {
			latencies, err := t.sendOn(ctx, allCases[0], pacer(time.Minute/time.Duration(perMinute)))
			sent = len(latencies)
			return err
		})
		cancel()
		if err != nil {
			return nil, err
		}
		used -= time.Duration(float64(idle) * float64(d) / float64(5**duration))
		each = append(each, max(used, 1)/time.Duration(max(sent, 1)))
	}
	return each, nil
}

// scaleEndpoints measures the last of many endpoints.
func (l *lab) scaleEndpoints() (figures []figure, err error) {
	for _, n := range []int{1, 200} {
		more, err := l.accepted(fmt.Sprintf("%d endpoints", n), func(_, config string) (string, error) { return overEndpoints(config, n), nil })
		if err != nil {
			return nil, err
		}
		figures = append(figures, more...)
	}
	return figures, nil
}

// overEndpoints makes a site of n endpoints of the one in the configuration.
func overEndpoints(config string, n int) string {
	head, site, _ := strings.Cut(config, "http://")
	address, site, _ := strings.Cut(site, "{\n")
	site = strings.TrimSuffix(strings.TrimSpace(site), "}")
	var all strings.Builder
	fmt.Fprintf(&all, "%shttp://%s{\n", head, address)
	for i := range n {
		fmt.Fprintf(&all, "handle %s {\n%s}\n", endpointPath(i, n), site)
	}
	return all.String() + "}\n"
}

// endpointPath is the path of one of n endpoints. The last one has that of the only one.
func endpointPath(i, n int) string {
	if i == n-1 {
		return "/hook"
	}
	return fmt.Sprintf("/hook-%d", i)
}

// scaleMemory measures with few and with many ids remembered, and what they take.
func (l *lab) scaleMemory() (figures []figure, err error) {
	for _, n := range []int{1_000, *ids} {
		more, err := l.accepted(fmt.Sprintf("%d ids remembered", n), func(dir, config string) (string, error) {
			journal := filepath.Join(dir, "journal")
			if err := remember(l.ctx, journal, n); err != nil {
				return "", err
			}
			return strings.Replace(config, "webhooks {", fmt.Sprintf("webhooks {\ndedup memory {\ncapacity %d\njournal %s\n}", n+1_000_000, journal), 1), nil
		})
		if err != nil {
			return nil, err
		}
		figures = append(figures, more...)
	}
	return figures, nil
}

// remember writes a journal with as many ids.
func remember(ctx context.Context, dir string, n int) error {
	store, err := dedup.NewMemory(n + 1)
	if err != nil {
		return err
	}
	if err := store.SetJournal(dedup.JournalOptions{Dir: dir, Fsync: dedup.FsyncNever}); err != nil {
		return err
	}
	var number [8]byte
	for i := range n {
		binary.LittleEndian.PutUint64(number[:], uint64(i))
		outcome, err := store.Begin(ctx, dedup.NewID("saltare", "id", string(number[:])), dedup.Options{Endpoint: "saltare", Window: 24 * time.Hour})
		if err != nil {
			return err
		}
		outcome.Claim.Commit()
	}
	return store.Close(ctx)
}

// accepted measures accepted deliveries, and the memory held after them.
func (l *lab) accepted(name string, edit func(dir, config string) (string, error)) ([]figure, error) {
	t, err := l.variant(product, name, edit)
	if err != nil {
		return nil, err
	}
	defer l.stopLast()
	if err := t.awaitRest(l.ctx); err != nil {
		return nil, err
	}
	s, err := t.run(l.ctx, allCases[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	memory, err := t.residentBytes()
	if err != nil {
		return nil, err
	}
	return []figure{{name, fmt.Sprintf("%.1f µs, %.0f MB resident", micros(s.processor), float64(memory)/1e6)}}, nil
}

// slowSenders opens as many connections as that, each of which announces 1 MiB, sends
// some of it, and stops.
func (l *lab) slowSenders() ([]figure, error) {
	name := fmt.Sprintf("%d senders that stop within 1 MiB", *slow)
	t, err := l.variant(product, name, nil)
	if err != nil {
		return nil, err
	}
	defer l.stopLast()
	before, err := t.residentBytes()
	if err != nil {
		return nil, err
	}
	head := newLetter(benchCase{kind: forged, size: 1 << 20}, t.address).next()[:64<<10]
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		open  []net.Conn
		first error
	)
	for range 50 {
		group.Go(func() {
			for range *slow / 50 {
				connection, err := new(net.Dialer).DialContext(l.ctx, "tcp", t.address)
				if err == nil {
					_, err = connection.Write(head)
				}
				mu.Lock()
				if connection != nil {
					open = append(open, connection)
				}
				// Beyond the budget it answers 503 and hangs up, and may do so early.
				if err != nil && !isReset(err) && first == nil {
					first = err
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	defer func() {
		for _, connection := range open {
			_ = connection.Close()
		}
	}()
	if first != nil {
		return nil, fmt.Errorf("%s: %w", name, first)
	}
	most := before
	for range 10 {
		now, err := t.residentBytes()
		if err != nil {
			return nil, err
		}
		most = max(most, now)
		if err := sleep(l.ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return []figure{{name, fmt.Sprintf("%.0f MB more than idle, of which max_buffered allows 268 MB to bodies", float64(most-before)/1e6)}}, nil
}

func isReset(err error) bool {
	var broken net.Error
	return errors.As(err, &broken)
}

// awaitRest returns when the target has done what it does besides at its start: a
// journal is read while deliveries are served.
func (t *running) awaitRest(ctx context.Context) error {
	for {
		used, err := t.processorTimeOf(func() error { return sleep(ctx, time.Second) })
		if err != nil || used < 50*time.Millisecond {
			return err
		}
	}
}

func (t *running) processorTimeOf(f func() error) (time.Duration, error) {
	before, err := t.processorTime()
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := t.processorTime()
	return after - before, err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// bareHash is how long SHA-256 over a body of 256 KiB takes here.
func bareHash() time.Duration {
	body := make([]byte, 256<<10)
	all := make([]time.Duration, 100)
	for i := range all {
		start := time.Now()
		sum := sha256.Sum256(body)
		all[i] = time.Since(start)
		copy(body, sum[:])
	}
	return median(all, func(i int) time.Duration { return all[i] })
}

func printFigures(w io.Writer, figures []figure) error {
	if _, err := io.WriteString(w, "\nhookpass by how much there is of something, 1 KiB, accepted:\n\n| | |\n|---|---|\n"); err != nil {
		return err
	}
	for _, f := range figures {
		if _, err := fmt.Fprintf(w, "| %s | %s |\n", f.name, f.value); err != nil {
			return err
		}
	}
	return nil
}
