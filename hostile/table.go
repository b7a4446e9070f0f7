package main

import (
	"fmt"
	"strings"
	"time"
)

// row is what came of the attacks of a theme.
type row struct {
	theme                                     string
	tried, accepted, refused, crashes, leaked int
}

// table is all rows, in the order of their first attacks.
type table struct{ rows []*row }

func (t *table) add(o *outcome) {
	if len(t.rows) == 0 || t.rows[len(t.rows)-1].theme != o.theme {
		t.rows = append(t.rows, &row{theme: o.theme})
	}
	r := t.rows[len(t.rows)-1]
	r.tried++
	if o.passed > 0 {
		r.accepted++
	} else {
		r.refused++
	}
	if o.crash != "" {
		r.crashes++
	}
	if o.leak != "" {
		r.leaked++
	}
}

func (t *table) String() string {
	var text strings.Builder
	text.WriteString("| hostile requests | tried | forwarded as signed | refused | crashes | leaks |\n|---|---|---|---|---|---|\n")
	all := &row{theme: "all"}
	for _, r := range t.rows {
		r.print(&text)
		all.tried += r.tried
		all.accepted += r.accepted
		all.refused += r.refused
		all.crashes += r.crashes
		all.leaked += r.leaked
	}
	all.print(&text)
	return text.String()
}

func (r *row) print(text *strings.Builder) {
	fmt.Fprintf(text, "| %s | %d | %d | %d | %d | %d |\n", r.theme, r.tried, r.accepted, r.refused, r.crashes, r.leaked)
}

const sufferedHead = "| flood | rate without | with | p99 without | with | told to come again | bodies held | memory more |\n|---|---|---|---|---|---|---|---|\n"

func (s suffered) String() string {
	return fmt.Sprintf("| %s | %.0f/s | %.0f/s (%.0f %%) | %v | %v (%.1f) | %d | %.1f MB | %.0f MB |\n", s.name,
		s.without.rate, s.with.rate, 100*s.with.rate/s.without.rate,
		s.without.p99.Round(10*time.Microsecond), s.with.p99.Round(10*time.Microsecond), float64(s.with.p99)/float64(s.without.p99),
		s.with.again, float64(s.buffered)/1e6, float64(s.more)/1e6)
}
