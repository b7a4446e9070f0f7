package main

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// benchDir is the folder of this command, where the packages of Node are.
func benchDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// print writes the results as Markdown: first where they come from, then
// processor time, latency and memory.
func (r *results) print(w io.Writer, commit string, figures []figure, floods []flooded) error {
	if err := printHead(w, commit); err != nil {
		return err
	}
	if _, err := io.WriteString(w, "\nProcessor time a delivery, and its ratio to plain proxying:\n\n"); err != nil {
		return err
	}
	table := new(strings.Builder)
	table.WriteString("|\t")
	for _, t := range r.idle {
		fmt.Fprintf(table, "| %s\t", t.name)
	}
	table.WriteString("|\n" + strings.Repeat("|---\t", len(r.idle)+1) + "|\n")
	for _, c := range allCases {
		if c.fixed {
			continue
		}
		r.row(table, c, func(samples []sample, base []sample) string {
			cost := median(samples, func(i int) time.Duration { return samples[i].processor })
			text := fmt.Sprintf("%.1f µs", float64(cost)/float64(time.Microsecond))
			if base != nil {
				n := min(len(samples), len(base))
				ratio := median(samples[:n], func(i int) float64 { return float64(samples[i].processor) / float64(base[i].processor) })
				text += fmt.Sprintf(" (%.2f)", ratio)
			}
			return text
		})
	}
	for _, c := range allCases {
		if !c.fixed {
			continue
		}
		for _, percentile := range []string{"p50", "p99"} {
			named := c
			named.name = fmt.Sprintf("%s at %d/s, %s", c.name, *rate, percentile)
			r.rowOf(table, named, c, func(samples, _ []sample) string {
				return median(samples, func(i int) time.Duration { return samples[i].latency(percentile) }).Round(time.Microsecond).String()
			})
		}
	}
	table.WriteString("| memory, idle\t")
	for _, t := range r.idle {
		if t.bytes == 0 {
			table.WriteString("|\t")
			continue
		}
		fmt.Fprintf(table, "| %.1f MB\t", float64(t.bytes)/1e6)
	}
	table.WriteString("|\n")
	aligned := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	if _, err := io.WriteString(aligned, table.String()); err != nil {
		return err
	}
	if err := aligned.Flush(); err != nil {
		return err
	}
	if len(figures) > 0 {
		if err := printFigures(w, figures); err != nil {
			return err
		}
	}
	if len(floods) > 0 {
		if err := printFlood(w, floods); err != nil {
			return err
		}
	}
	return printGoals(w, append(r.goals(), floodGoals(floods)...))
}

// printHead tells where the figures come from.
func printHead(w io.Writer, commit string) error {
	_, err := fmt.Fprintf(w, "%s, commit %s, %s, %d processors, %d rounds of %v\n",
		time.Now().UTC().Format(time.DateOnly), commit, runtime.Version(), runtime.NumCPU(), *rounds, *duration)
	return err
}

func (r *results) row(w *strings.Builder, c benchCase, text func(samples, base []sample) string) {
	r.rowOf(w, c, c, text)
}

// rowOf prints one row. A refusal is compared with the forwarding of a delivery
// of the same size.
func (r *results) rowOf(w *strings.Builder, title, c benchCase, text func(samples, base []sample) string) {
	base := r.base(c.name)
	fmt.Fprintf(w, "| %s\t", title.name)
	for _, t := range r.idle {
		samples := r.cells[cell{t.name, c.name}]
		if samples == nil {
			w.WriteString("|\t")
			continue
		}
		fmt.Fprintf(w, "| %s\t", text(samples, base))
	}
	w.WriteString("|\n")
}
