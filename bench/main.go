// Command bench measures what a verified delivery costs, in hookpass and in what
// it can be compared with: plain proxying by the same binary, nginx with njs,
// HAProxy, and an Express application that verifies by itself. All run on
// loopback, one after another, in several rounds, and every answer is checked.
// README.md says how to read what it prints.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

var (
	rounds   = flag.Int("rounds", 5, "how often each cell is measured; the table shows medians")
	duration = flag.Duration("duration", 2*time.Second, "how long each measurement takes")
	only     = flag.String("only", "", "measure these targets only, separated by commas; plain is always among them. flood: only what hints cost in a flood of forgeries")
	cases    = flag.String("cases", "", "measure these cases only, separated by commas")
	few      = flag.Int("few", 10, "how many deliveries are measured at the lowest rate, 10 a minute")
	ids      = flag.Int("ids", 10_000_000, "how many ids are remembered where many are")
	slow     = flag.Int("slow", 10_000, "how many slow senders there are where memory is measured")
	scaling  = flag.Bool("scale", true, "measure also what must not depend on how much there is of something")
	pgo      = flag.String("pgo", filepath.Join(benchDir(), "default.pgo"), "what hookpass is optimized for: as in releases, or off, which builds faster")
	profile  = flag.String("profile", "", "instead of measuring, write a processor profile of hookpass to this file; it has the cases in equal shares")
	rate     = flag.Int("rate", 1000, "deliveries a second where latency is measured")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, output io.Writer) error {
	dir, err := os.MkdirTemp("", "hookpass-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	application, err := startApplication(ctx)
	if err != nil {
		return err
	}
	l := &lab{ctx: ctx, dir: dir, application: application, programs: map[string]string{}}
	if err := l.build("HOOKPASS", "..", "./cmd/hookpass", "-pgo", *pgo); err != nil {
		return err
	}
	defer l.stop()
	commit, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return err
	}
	if *only == onlyFlood {
		all, err := l.flood()
		if err != nil {
			return err
		}
		if err := printHead(output, strings.TrimSpace(string(commit))); err != nil {
			return err
		}
		return printFlood(output, all)
	}
	for _, t := range targets {
		if *only != "" && t.name != plain && !slices.Contains(strings.Split(*only, ","), t.name) {
			continue
		}
		if t.name == stock {
			if err := l.build("STOCK", "stock", "."); err != nil {
				return err
			}
		}
		switch err := l.start(t); {
		case errors.Is(err, errNotInstalled):
			fmt.Fprintf(os.Stderr, "bench: leaving out %s: %v\n", t.name, err)
		case err != nil:
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	if *profile != "" {
		return l.writeProfile(*profile)
	}
	results, err := l.measure()
	if err != nil {
		return err
	}
	var figures []figure
	var floods []flooded
	if *scaling {
		if figures, err = l.scale(); err != nil {
			return err
		}
		if floods, err = l.flood(); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "\r%60s\r", "")
	return results.print(output, strings.TrimSpace(string(commit)), figures, floods)
}

// measure goes round and round, so that what the machine does meanwhile meets
// all targets alike.
func (l *lab) measure() (results, error) {
	all := results{cells: map[cell][]sample{}}
	if err := sleep(l.ctx, *duration); err != nil { // starting has left garbage
		return all, err
	}
	for _, t := range l.running {
		idle, err := t.residentBytes()
		if err != nil {
			return all, err
		}
		all.idle = append(all.idle, named{t.name, idle})
	}
	for round := range *rounds {
		for _, c := range allCases {
			if !c.chosen() {
				continue
			}
			for _, t := range l.running {
				if !t.does(c) {
					continue
				}
				fmt.Fprintf(os.Stderr, "\rround %d of %d: %-32s", round+1, *rounds, t.name+", "+c.name)
				s, err := t.run(l.ctx, c)
				if err != nil {
					return all, fmt.Errorf("%s, %s: %w", t.name, c.name, err)
				}
				all.add(t.name, c.name, s)
			}
		}
	}
	return all, nil
}

// sample is one measurement.
type sample struct {
	deliveries int
	processor  time.Duration // of the target's processes, for a delivery
	p50, p99   time.Duration // from when the delivery was due; only where the rate is fixed
}

func (s sample) latency(percentile string) time.Duration {
	if percentile == "p50" {
		return s.p50
	}
	return s.p99
}

type cell struct{ target, name string }

type named struct {
	name  string
	bytes int64
}

type results struct {
	cells map[cell][]sample
	idle  []named
}

func (r *results) add(target, name string, s sample) {
	r.cells[cell{target, name}] = append(r.cells[cell{target, name}], s)
}

// median returns the middle of what pick takes out of the samples.
func median[S any, T cmp.Ordered](samples []S, pick func(i int) T) T {
	values := make([]T, len(samples))
	for i := range samples {
		values[i] = pick(i)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
