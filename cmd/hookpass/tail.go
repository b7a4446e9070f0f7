package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/hookpass/hookpass/caddymodule"
	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/delivery"
)

func init() {
	t := &tail{output: os.Stdout, progress: os.Stderr, width: terminalWidth, now: time.Now, sleep: sleep, silence: 3 * comments}
	command{
		name:  "tail",
		usage: "[--endpoint <name>] [--provider <id>] [--verdict <verdict>] [--event <type>] [--id <delivery>] [-n <count>] [--json] [--address <admin>]",
		short: "Shows deliveries as they come",
		long: `
Shows what becomes of the deliveries of the running hookpass, live:

	hookpass tail --endpoint stripe --verdict rejected

Each has a line: its number, when it came, the endpoint, the verdict, the event, the
id of the delivery, and what the application answered after how long. Beneath a
rejected one is what hookpass explain would say, where that is known.

On a terminal, the last line tells exactly how many there are a second. Of very many,
not all are shown, and it tells how many were not. Elsewhere the columns are
separated by tabs, with the hint as the last one, and --json prints what
/webhooks/deliveries has of each.

It asks the process over Caddy's admin API, and goes on after a reload or a restart.
`,
		flags: t.flags(),
		run: func([]string) error {
			signal.Ignore(syscall.SIGPIPE) // so that a closed pipe is an error to be seen
			ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer cancel()
			ctx, cancel = whileRead(ctx, os.Stdout)
			defer cancel()
			return t.run(ctx)
		},
	}.register()
}

const (
	// The pauses between attempts to connect again.
	shortestPause = 100 * time.Millisecond
	longestPause  = 5 * time.Second

	// comments come so often in a stream that is well.
	comments = 15 * time.Second
)

var errSilent = errors.New("nothing has come for too long")

// verdicts are those that a delivery can have.
var verdicts = []string{
	string(delivery.VerdictForwarded), string(delivery.VerdictFailed), string(delivery.VerdictDuplicate), string(delivery.VerdictBusy),
	string(delivery.VerdictIgnored), string(delivery.VerdictHandshake), string(delivery.VerdictRejected),
}

// tail is the command: its flags, and what it touches of the world.
type tail struct {
	output, progress io.Writer
	width            func() int // of the terminal; 0: output is none
	now              func() time.Time
	sleep            func(context.Context, time.Duration)
	silence          time.Duration // after which a stream is taken for dead

	adminFlag
	filters map[string]*string // by their names in the admin API
	last    int
	json    bool

	view view
}

// view is where deliveries are shown.
type view interface {
	show(d *kept) error
	tell(text string) // of what is no delivery
}

func (t *tail) flags() *flag.FlagSet {
	f := flag.NewFlagSet("tail", flag.ContinueOnError)
	t.register(f)
	t.filters = map[string]*string{
		"endpoint":    f.String("endpoint", "", "Only those of this endpoint"),
		"provider":    f.String("provider", "", "Only those of this provider, by its id"),
		"verdict":     f.String("verdict", "", "Only those with this verdict: "+strings.Join(verdicts, ", ")),
		"event":       f.String("event", "", "Only those with this type of event"),
		"delivery_id": f.String("id", "", "Only those with this id of the provider's"),
	}
	f.IntVar(&t.last, "last", 0, "First show so many of the newest")
	f.IntVar(&t.last, "n", 0, "The same as --last")
	f.BoolVar(&t.json, "json", false, "Print each delivery as a line of JSON")
	return f
}

// run shows deliveries until ctx ends, or nobody reads them any more.
func (t *tail) run(ctx context.Context) error {
	if verdict := *t.filters["verdict"]; verdict != "" && !slices.Contains(verdicts, verdict) {
		return fmt.Errorf("--verdict %s: did you mean %s?", verdict, catalog.Nearest(verdict, verdicts))
	}
	if t.last < 0 {
		return fmt.Errorf("--last %d: write how many to show first", t.last)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	switch {
	case t.json || t.width() == 0:
		t.view = lines{t.output, t.progress, t.json}
	default:
		s := newScreen(t.output, t.progress, t.width)
		t.view = s
		if s.live {
			counted := make(chan struct{})
			go func() {
				defer close(counted)
				t.count(ctx, s)
			}()
			defer func() {
				cancel()
				<-counted
				s.close()
			}()
		}
	}
	err := t.follow(ctx)
	if ctx.Err() != nil || errors.Is(err, syscall.EPIPE) {
		err = nil
	}
	return err
}

// follow shows deliveries, and connects again where the stream ends.
func (t *tail) follow(ctx context.Context) error {
	last, err := t.begin(ctx)
	pause, told := shortestPause, false
	for connected := false; err == nil && ctx.Err() == nil; {
		began := t.now()
		var opened bool
		var why error
		if opened, why, err = t.stream(ctx, &last); err != nil || ctx.Err() != nil {
			break
		}
		if connected = connected || opened; !connected {
			return why
		}
		if opened && t.now().Sub(began) > longestPause {
			pause, told = shortestPause, false
		}
		if !told {
			told = true
			t.view.tell(fmt.Sprintf("hookpass tail: the stream has ended (%v): connecting again", cmp.Or(why, io.EOF)))
		}
		t.sleep(ctx, pause)
		pause = min(2*pause, longestPause)
	}
	return err
}

// begin shows the newest deliveries that are asked for, and returns the number of the
// last one before those to come, so that none is missed, however early a stream ends.
func (t *tail) begin(ctx context.Context) (last uint64, err error) {
	newest, err := t.kept(ctx, url.Values{"limit": {"1"}})
	for _, d := range newest {
		last = d.Number
	}
	if err != nil || t.last == 0 {
		return last, err
	}
	query := t.query()
	query.Set("limit", strconv.Itoa(t.last))
	shown, err := t.kept(ctx, query)
	for _, d := range slices.Backward(shown) {
		if err := t.view.show(&d); err != nil {
			return 0, err
		}
		last = max(last, d.Number)
	}
	return last, err
}

func (t *tail) query() url.Values {
	query := url.Values{}
	for name, value := range t.filters {
		if *value != "" {
			query.Set(name, *value)
		}
	}
	return query
}

// stream shows the deliveries behind the last one until the stream ends, and returns
// why it has, and an error if there is no sense in another.
func (t *tail) stream(ctx context.Context, last *uint64) (opened bool, why, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	resp, why := t.open(ctx, http.MethodGet, caddymodule.StreamPath, t.query(), http.Header{"Last-Event-Id": {strconv.FormatUint(*last, 10)}})
	if why != nil {
		return false, why, nil
	}
	defer resp.Body.Close()
	hearing := time.AfterFunc(t.silence, func() { cancel(errSilent) })
	defer hearing.Stop()
	why = readEvents(heard{resp.Body, func() { hearing.Reset(t.silence) }}, func(e event) error {
		if e.name != "delivery" {
			return nil
		}
		var d kept
		if err = json.Unmarshal([]byte(e.data), &d); err != nil {
			err = t.failed(err)
			return err
		}
		*last = d.Number // after a restart, which the server sees, they begin anew
		err = t.view.show(&d)
		return err
	})
	if errors.Is(why, errLongEvent) {
		err = t.failed(why)
	}
	return true, cmp.Or(context.Cause(ctx), why), err
}

// heard calls a function whenever something comes.
type heard struct {
	io.Reader
	call func()
}

func (h heard) Read(b []byte) (int, error) {
	n, err := h.Reader.Read(b)
	if n > 0 {
		h.call()
	}
	return n, err
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// terminalWidth returns how many columns the standard output has; 0 if it is no
// terminal.
func terminalWidth() int {
	out := int(os.Stdout.Fd())
	if !term.IsTerminal(out) {
		return 0
	}
	if width, _, err := term.GetSize(out); err == nil && width > 0 {
		return width
	}
	return 80
}
