package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// onlyFlood is the value of -only that measures nothing else.
const onlyFlood = "flood"

// floodEndpoints is how many endpoints a flood meets: the diagnoses of each are
// limited, and those of all of them together.
var floodEndpoints = []int{1, 200}

// flooded is what a flood of forgeries costs with hints, to what it costs without:
// a ratio for each round.
type flooded struct {
	endpoints, size int
	with, without   []time.Duration // processor time of a delivery
}

// flood measures what it costs to look into forgeries, on two processes in turn that
// differ in nothing else.
func (l *lab) flood() (all []flooded, err error) {
	for _, n := range floodEndpoints {
		of, err := l.floodOver(n)
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
	}
	return all, nil
}

func (l *lab) floodOver(n int) (all []flooded, err error) {
	with, err := l.variant(product, fmt.Sprintf("flood of %d", n), func(_, config string) (string, error) {
		return overEndpoints(config, n), nil
	})
	if err != nil {
		return nil, err
	}
	defer l.stopLast()
	without, err := l.variant(product, fmt.Sprintf("flood of %d without hints", n), func(_, config string) (string, error) {
		return strings.Replace(overEndpoints(config, n), "webhooks {", "webhooks {\nhints off", 1), nil
	})
	if err != nil {
		return nil, err
	}
	defer l.stopLast()
	for _, size := range []int{1 << 10, 256 << 10} {
		f := flooded{endpoints: n, size: size}
		c := benchCase{kind: forged, size: size, endpoints: n}
		for round := range *rounds {
			fmt.Fprintf(os.Stderr, "\rround %d of %d: %-32s", round+1, *rounds, fmt.Sprintf("flood of %d, %d KiB", n, size>>10))
			turns := []struct {
				t    *running
				each *[]time.Duration
			}{{with, &f.with}, {without, &f.without}}
			if round%2 == 1 { // neither is always the first
				slices.Reverse(turns)
			}
			for _, turn := range turns {
				s, err := turn.t.run(l.ctx, c)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", turn.t.name, err)
				}
				*turn.each = append(*turn.each, s.processor)
			}
		}
		all = append(all, f)
	}
	return all, nil
}

// ratios are those of each round, whose two measurements stand beside each other.
func (f *flooded) ratios() []float64 {
	all := make([]float64, len(f.with))
	for i := range all {
		all[i] = float64(f.with[i]) / float64(f.without[i])
	}
	return all
}

func floodGoals(all []flooded) (goals []goal) {
	for _, f := range all {
		ratios := f.ratios()
		goals = append(goals, goal{
			fmt.Sprintf("flood of %d KiB, endpoints: %d: processor time with hints, to that without", f.size>>10, f.endpoints),
			1.1, median(ratios, func(i int) float64 { return ratios[i] }),
		})
	}
	return goals
}

func printFlood(w io.Writer, all []flooded) error {
	var text strings.Builder
	text.WriteString("\nA flood of forgeries, processor time a delivery with hints and without:\n\n| | with | without | ratio, median | least to most |\n|---|---|---|---|---|\n")
	for _, f := range all {
		ratios := f.ratios()
		of := func(each []time.Duration) float64 {
			return micros(median(each, func(i int) time.Duration { return each[i] }))
		}
		fmt.Fprintf(&text, "| %d KiB, endpoints: %d | %.1f µs | %.1f µs | %.3f | %.3f to %.3f |\n", f.size>>10, f.endpoints,
			of(f.with), of(f.without), median(ratios, func(i int) float64 { return ratios[i] }), slices.Min(ratios), slices.Max(ratios))
	}
	_, err := io.WriteString(w, text.String())
	return err
}
