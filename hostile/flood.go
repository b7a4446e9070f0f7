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
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// flood is many hostile senders at once. It returns when all of them are at work,
// goes on until the context ends, and then tells what went wrong.
type flood struct {
	name string
	run  func(ctx context.Context, l *lab, n int) (verdict func(context.Context) error, err error)
}

var floods = []flood{
	{"connections without a request", holding("")},
	{"heads that stop within a line", holding(post + "X-A: ")},
	{"bodies that stop at their last byte", holding(post + "{signed}Content-Length: 1024\n\n" + times(1023, "x"))},
	{"bodies of 1 MiB that stop at their last byte, on 200 of them", few(holding(post + "{signed}Content-Length: 1048576\n\n" + times(1<<20-1, "x")))},
	{"forged deliveries, 1000 a second", repeating("saltare", instead("X-Saltare-Timestamp: {now}\nX-Saltare-Signature: sha256="+times(64, "0")+"\n"), "401")},
	{"forged handshakes, 1000 a second", repeating("slack", post+"Transfer-Encoding: chunked\n\n"+chunk(`{"type":"url_verification","challenge":"x"}`)+"0\n\n", "401")},
	{"packed bodies that would be 10 MiB, 1000 a second", repeating("saltare", post+"{signed}Content-Encoding: gzip\nTransfer-Encoding: chunked\n\n"+chunk(bomb(10<<20))+"0\n\n", "401")},
	{"tokens with unknown keys, 1000 a second", repeating("keyed", instead("Authorization: Bearer {token}\n"), "401|503")},
	{"events with names of their own, 1000 a second", distinct},
	{"copies of one delivery, all at once", copies},
}

// readTimeout is how long hookpass waits for a body.
const readTimeout = 10 * time.Second

// holding keeps so many connections open, and opens those anew that hookpass closes.
func holding(text string) func(context.Context, *lab, int) (func(context.Context) error, error) {
	return func(ctx context.Context, l *lab, n int) (func(context.Context) error, error) {
		sent, err := l.crowd[0].letter(l.hookpass.open, "", "")
		if err != nil {
			return nil, err
		}
		var all, began sync.WaitGroup
		filled := sent.fill(http1(text))
		for i := range n {
			began.Add(1)
			all.Go(func() {
				once := sync.OnceFunc(began.Done)
				defer once()
				// Their first connections end one after another, as those of senders
				// who came one after another do: the others end when hookpass is out
				// of patience.
				first, cancel := context.WithTimeout(ctx, readTimeout*time.Duration(i+1)/time.Duration(n))
				hold(first, l.hookpass.open, filled, once)
				cancel()
				for ctx.Err() == nil {
					hold(ctx, l.hookpass.open, filled, once)
				}
			})
		}
		began.Wait()
		return func(context.Context) error {
			all.Wait()
			return nil
		}, nil
	}
}

// few has no more connections than fill the budget of bytes several times over.
func few(run func(context.Context, *lab, int) (func(context.Context) error, error)) func(context.Context, *lab, int) (func(context.Context) error, error) {
	return func(ctx context.Context, l *lab, n int) (func(context.Context) error, error) {
		return run(ctx, l, min(n, 200))
	}
}

// hold opens one connection, and waits until hookpass closes it.
func hold(ctx context.Context, s *site, text string, begun func()) {
	connection, err := s.dial(ctx)
	if err != nil {
		wait(ctx, 100*time.Millisecond)
		return
	}
	defer context.AfterFunc(ctx, func() { _ = connection.Close() })()
	defer func() { _ = connection.Close() }()
	_, _ = io.WriteString(connection, text) // it may have heard enough
	begun()
	_, _ = io.Copy(io.Discard, connection)
	wait(ctx, time.Second) // whoever does it faster needs more machines than this one
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// pace is how long after one request the next is sent.
const pace = time.Second / 1000

// repeating sends the same text again and again over some of the connections.
func repeating(to, text, want string) func(context.Context, *lab, int) (func(context.Context) error, error) {
	return func(ctx context.Context, l *lab, n int) (func(context.Context) error, error) {
		e := l.crowd.named(to)
		return l.send(ctx, n, func() (string, string, error) {
			sent, err := e.letter(l.hookpass.open, "", "")
			if err != nil {
				return "", "", err
			}
			sent.timestamp = fmt.Sprint(time.Now().Unix())
			return strings.ReplaceAll(sent.fill(http1(text)), "{token}", strangeToken(sent.id)), want, nil
		})
	}
}

// distinct sends genuine deliveries, each with an event of a name of its own.
func distinct(ctx context.Context, l *lab, n int) (func(context.Context) error, error) {
	before, err := l.hookpass.vitals(ctx)
	if err != nil {
		return nil, err
	}
	verdict, err := l.send(ctx, n, func() (string, string, error) {
		sent, err := l.crowd[0].letter(l.hookpass.open, `{"event":"{id}","delivery_id":"{id}"}`, "")
		return sent.fill(http1(genuine)), "200", err
	})
	return func(ctx context.Context) error {
		if err := verdict(ctx); err != nil {
			return err
		}
		after, err := l.hookpass.vitals(ctx)
		if err == nil && after.series > before.series {
			err = fmt.Errorf("there were %d series of metrics, and are %d", before.series, after.series)
		}
		return err
	}, err
}

// send sends a request every millisecond over up to n connections, at most 32 of
// which are in use at a time.
func (l *lab) send(ctx context.Context, n int, next func() (text, want string, err error)) (func(context.Context) error, error) {
	var group sync.WaitGroup
	var wrong atomic.Pointer[error]
	ticker := time.NewTicker(pace)
	for range min(n, 32) {
		group.Go(func() {
			c := &client{site: l.hookpass.open}
			defer c.close()
			for ctx.Err() == nil {
				select {
				case <-ticker.C:
				case <-ctx.Done():
					return
				}
				text, want, err := next()
				if err == nil {
					var got string
					got, err = c.send(context.WithoutCancel(ctx), text)
					if err == nil && !slices.Contains(strings.Split(want, "|"), got) {
						err = fmt.Errorf("a hostile one was answered %s, not %s", got, want)
					}
				}
				if err != nil {
					wrong.CompareAndSwap(nil, &err)
					return
				}
			}
		})
	}
	return func(context.Context) error {
		group.Wait()
		ticker.Stop()
		if err := wrong.Load(); err != nil {
			return *err
		}
		return nil
	}, nil
}

// copies sends one delivery over all connections, while the application has it.
func copies(ctx context.Context, l *lab, n int) (func(context.Context) error, error) {
	sent, err := l.crowd[0].letter(l.hookpass.open, "", "")
	if err != nil {
		return nil, err
	}
	release := l.application.keep(sent.body)
	var all, began sync.WaitGroup
	var answered sync.Map
	for range n {
		began.Add(1)
		all.Go(func() {
			c := &client{site: l.hookpass.open, begun: began.Done}
			defer c.close()
			got, err := c.send(context.WithoutCancel(ctx), sent.fill(http1(genuine)))
			if err != nil {
				got = err.Error()
			}
			answered.Store(got, true)
		})
	}
	began.Wait()
	return func(context.Context) error {
		came := release()
		all.Wait()
		if came != 1 {
			return fmt.Errorf("the application got %d copies of one delivery", came)
		}
		for got := range answered.Range {
			if got != "200" && got != "503" {
				return fmt.Errorf("a copy was answered %v", got)
			}
		}
		return nil
	}, nil
}

// client sends one request after another over a connection.
type client struct {
	site       *site
	begun      func() // called when the first request is sent, or cannot be
	connection net.Conn
	reader     *bufio.Reader
}

func (c *client) close() {
	if c.connection != nil {
		_ = c.connection.Close()
		c.connection = nil
	}
}

func (c *client) send(ctx context.Context, text string) (answer string, err error) {
	begun := c.begun
	c.begun = nil
	defer func() {
		if begun != nil {
			begun()
		}
	}()
	if c.connection == nil {
		if c.connection, err = c.site.dial(ctx); err != nil {
			return "", err
		}
		c.reader = bufio.NewReader(c.connection)
	}
	if err := c.connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	_, written := io.WriteString(c.connection, text)
	if begun != nil {
		begun()
		begun = nil
	}
	got, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.close()
		return "", errors.Join(written, err)
	}
	_, err = io.Copy(io.Discard, got.Body)
	got.Body.Close()
	if got.Close {
		c.close()
	}
	return fmt.Sprint(got.StatusCode), err
}

// load is what became of genuine deliveries.
type load struct {
	rate  float64 // a second
	p99   time.Duration
	again int // were told to come again, as the budget of bytes was spent, and did
}

const (
	// genuineSenders is how many send genuine deliveries,
	genuineSenders = 32
	// and genuinePace how long after one the next is due.
	genuinePace = time.Second / 1000
)

// measure sends genuine deliveries for some time. Each of them must pass. What one
// takes counts from when it was due, so that a stall counts for all that it delays.
func (l *lab) measure(ctx context.Context, d time.Duration) (load, error) {
	var group sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	var wrong error
	var next, again atomic.Int64
	start := time.Now()
	for range genuineSenders {
		group.Go(func() {
			c := &client{site: l.hookpass.open}
			defer c.close()
			var own []time.Duration
			var failed error
			for failed == nil && ctx.Err() == nil {
				due := time.Duration(next.Add(1)-1) * genuinePace
				if due > d {
					break
				}
				wait(ctx, time.Until(start.Add(due)))
				failed = l.insist(ctx, c, &again)
				own = append(own, time.Since(start)-due)
			}
			mu.Lock()
			defer mu.Unlock()
			took, wrong = append(took, own...), errors.Join(wrong, failed)
		})
	}
	group.Wait()
	if wrong != nil || len(took) == 0 {
		return load{}, errors.Join(wrong, ctx.Err())
	}
	slices.Sort(took)
	return load{float64(len(took)) / time.Since(start).Seconds(), took[len(took)*99/100], int(again.Load())}, nil
}

// insist sends a genuine delivery until it passes: the next attempt may find room
// where this one was told that there is none.
func (l *lab) insist(ctx context.Context, c *client, again *atomic.Int64) error {
	sent, err := l.crowd[0].letter(l.hookpass.open, "", "")
	if err != nil {
		return err
	}
	for {
		switch got, err := c.send(ctx, sent.fill(http1(genuine))); {
		case err != nil:
			return fmt.Errorf("a genuine delivery: %w", err)
		case got == "200":
			return nil
		case got != "503":
			return fmt.Errorf("a genuine delivery was answered %s", got)
		}
		again.Add(1)
		wait(ctx, 10*time.Millisecond)
	}
}

// suffered is what a flood did to the genuine deliveries beside it.
type suffered struct {
	name          string
	without, with load
	buffered      int   // bytes of bodies, at the most
	more          int64 // resident memory than before, at the most
	open          int   // goroutines, at the most
}

// endure measures genuine deliveries without the flood and in it, and sees that
// nothing is left of it.
func (l *lab) endure(ctx context.Context, f flood, n int, d time.Duration) (s suffered, err error) {
	s.name = f.name
	if s.without, err = l.measure(ctx, d); err != nil {
		return s, err
	}
	rest, err := l.hookpass.vitals(ctx)
	if err != nil {
		return s, err
	}
	flooding, end := context.WithCancel(ctx)
	defer end()
	verdict, err := f.run(flooding, l, n)
	if err != nil {
		return s, err
	}
	watched := make(chan struct{})
	watching, unwatch := context.WithCancel(ctx)
	go func() {
		defer close(watched)
		for watching.Err() == nil {
			if v, err := l.hookpass.vitals(ctx); err == nil {
				s.buffered, s.open = max(s.buffered, v.buffered), max(s.open, v.goroutines)
				s.more = max(s.more, v.resident-rest.resident)
			}
			wait(watching, d/10)
		}
	}()
	s.with, err = l.measure(ctx, d)
	unwatch()
	<-watched
	end()
	if err := errors.Join(err, verdict(ctx)); err != nil {
		return s, err
	}
	if s.buffered > maxBuffered {
		return s, fmt.Errorf("%d bytes of bodies were held, of %d", s.buffered, maxBuffered)
	}
	// Connections to the application that more senders than usual needed stay a while.
	for deadline := time.Now().Add(patience); ; wait(ctx, 20*time.Millisecond) {
		left, err := l.hookpass.vitals(ctx)
		if err == nil && left.buffered == 0 && left.inFlight == 0 && left.waiters == 0 && left.goroutines <= rest.goroutines+genuineSenders {
			break
		}
		if err != nil || time.Now().After(deadline) {
			return s, errors.Join(err, fmt.Errorf("left are %v; before there were %v", left, rest))
		}
	}
	if crash := l.hookpass.crashed(); crash != "" {
		return s, errors.New(crash)
	}
	return s, nil
}

// flooded endures every flood.
func flooded(ctx context.Context, dir string, n int, d time.Duration, tell func(suffered)) error {
	l, err := newLab(ctx, dir)
	if err != nil {
		return err
	}
	defer l.stop()
	l.application.forget()
	for _, f := range floods {
		s, err := l.endure(ctx, f, n, d)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		tell(s)
	}
	fetches, err := l.hookpass.value(ctx, "caddy_webhook_key_fetches_total")
	if err != nil || fetches > mostFetches {
		return errors.Join(err, fmt.Errorf("keys were fetched %v times", fetches))
	}
	return nil
}

// mostFetches is what keyfetch allows of one host at once, and what it allows more in
// the time that the longest run takes.
const mostFetches = 300
