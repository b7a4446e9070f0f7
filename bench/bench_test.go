package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the machine is too busy for here, bench/run measures: this shows that
// every case means what it says, as an answer that is not the wanted one ends it.
func TestEveryCaseOfHookpassIsMeasured(t *testing.T) {
	for name, value := range map[string]string{"rounds": "1", "duration": "100ms", "only": "hookpass", "rate": "100", "few": "0", "pgo": "off", "ids": "2000", "slow": "50"} {
		before := flag.Lookup(name).Value.String()
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = flag.Set(name, before) })
	}
	table, err := os.Create(filepath.Join(t.TempDir(), "table.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	if err := run(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(table.Name())
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]*regexp.Regexp{
		"memory, idle": regexp.MustCompile(`\| [0-9.]+ MB +\| [0-9.]+ MB +\|$`),
	}
	for _, c := range allCases {
		switch {
		case c.fixed:
			rows[c.name] = regexp.MustCompile(`\| [0-9.]+.?s +\| [0-9.]+.?s +\|$`)
		case c.kind == genuine:
			rows[c.name] = regexp.MustCompile(`\| [0-9.]+ µs \(1\.00\) +\| [0-9.]+ µs \([0-9.]+\) +\|$`)
		default:
			rows[c.name] = regexp.MustCompile(`\| +\| [0-9.]+ µs \([0-9.]+\) +\|$`)
		}
	}
	for _, size := range []string{"1 KiB", "256 KiB"} {
		for _, n := range floodEndpoints {
			rows[fmt.Sprintf("%s, endpoints: %d ", size, n)] = regexp.MustCompile(`\| [0-9.]+ µs \| [0-9.]+ µs \| [0-9.]+ \| [0-9.]+ to [0-9.]+ \|$`)
		}
	}
	for name, row := range rows {
		found := false
		for line := range strings.Lines(string(text)) {
			found = found || strings.HasPrefix(line, "| "+name) && row.MatchString(strings.TrimSpace(line))
		}
		if !found {
			t.Errorf("no row %q like %v in\n%s", name, row, text)
		}
	}
}
