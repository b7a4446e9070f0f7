package chaos

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// bug is a mistake in hookpass that the test must notice.
type bug struct {
	name     string
	scenario scenario
	file     string
	edits    []string // old and new text, in turns
}

var bugs = []bug{
	{
		"a failure counts as handled", reloaded, "caddymodule/forward.go",
		[]string{`status/100 == 2`, `status != 0`},
	},
	{
		"remembered before the outcome is known", reloaded, "caddymodule/handler.go",
		[]string{`defer outcome.Claim.Abort()`, `outcome.Claim.Commit()`},
	},
	{
		"a failure is never forgotten", reloaded, "caddymodule/handler.go",
		[]string{`defer outcome.Claim.Abort()`, `_ = outcome.Claim`},
	},
	{
		"a success is not remembered", reloaded, "caddymodule/forward.go",
		[]string{`claimed.Claim.Commit()`, `claimed.Claim.Abort()`},
	},
	{
		"a sender that hangs up cancels the forward", reloaded, "caddymodule/forward.go",
		[]string{`context.WithoutCancel(x.r.Context())`, `x.r.Context()`},
	},
	{
		"copies are not kept apart", reloaded, "dedup/memory.go",
		[]string{`if ok && last.open {`, `if false {`},
	},
	{
		"a copy in flight is a duplicate", reloaded, "dedup/memory.go",
		[]string{"last.open {\n\t\treturn Outcome{Kind: Busy}, nil", "last.open {\n\t\treturn Outcome{Kind: Duplicate}, nil"},
	},
	{
		"a reload forgets", reloaded, "caddymodule/store.go",
		[]string{`memories.LoadOrNew(memoryKey,`, `memories.LoadOrNew(a,`, `memories.Delete(memoryKey)`, `memories.Delete(a)`},
	},
	{
		"the journal is written late", killed, "dedup/memory.go",
		[]string{`written = journal.append(slot{c.id, done})`, `written = journal == nil`},
	},
	{
		"a restart does not read the journal", killed, "dedup/reader.go",
		[]string{`commits := j.store.adopt(j.effective(c))`, `commits := j.store.adopt(j.effective(newContents()))`},
	},
	{
		"other replicas do not learn of a success", shared, "dedup/server.go",
		[]string{`e.value, "GET", "PX", milliseconds(e.ttl))`, `e.value, "GET", "PX", 1)`},
	},
	{
		"the claim of another replica is taken for one's own", shared, "dedup/redisclaim.go",
		[]string{`if value == c.token {`, `if strings.HasPrefix(value, claimMark) {`},
	},
	{
		"a claim ends long before its forward", shared, "dedup/redisclaim.go",
		[]string{`c.token, c.options.Lease}`, `c.token, c.options.Lease / 100}`},
	},
}

const (
	// bugDeliveries are enough for each of the bugs to show several times.
	bugDeliveries = 1500

	// bugRuns is how often it may not: a kill has to come at the right moment, and
	// on a loaded machine a process is seldom ready to be killed.
	bugRuns = 4
)

func TestPlantedBugs(t *testing.T) {
	for _, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			hookpass := build(t, map[string]string{b.file: b.plant(t)})
			for range bugRuns {
				l := b.scenario.run(t, hookpass, bugDeliveries, 8*time.Second)
				if violations := l.violations(); len(violations) > 0 {
					t.Log(violations[0])
					return
				}
				t.Logf("not noticed: %s", l.summary())
			}
			t.Error("not noticed")
		})
	}
}

// plant returns the file with the bug in it.
func (b bug) plant(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", b.file))
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	for edit := range slices.Chunk(b.edits, 2) {
		if strings.Count(text, edit[0]) != 1 {
			t.Fatalf("%q stands in %s %d times", edit[0], b.file, strings.Count(text, edit[0]))
		}
		text = strings.Replace(text, edit[0], edit[1], 1)
	}
	return text
}

// writeOverlay writes what "go build -overlay" reads.
func writeOverlay(t *testing.T, dir string, replaced map[string]string) string {
	t.Helper()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for file, text := range replaced {
		original, err := filepath.Abs(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		changed := filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[original] = changed
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
