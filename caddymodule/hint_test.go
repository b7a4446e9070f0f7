package caddymodule

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookpass/hookpass/diagnosis"
)

// Tests of something else read the log in the order of what they sent, and count
// what a delivery allocates.
func init() { hintsPerSecond = 0 }

// withHints has every rejected delivery looked into, while there is room.
func withHints(t *testing.T) {
	rate, budget := hintsPerSecond, hintBudget
	hintsPerSecond, hintBudget = 1000, &diagnosis.Budget{PerSecond: time.Hour, Most: time.Hour}
	t.Cleanup(func() { hintsPerSecond, hintBudget = rate, budget })
}

// lengthen adds a line break to the body.
func lengthen(r *http.Request) {
	body, _ := io.ReadAll(r.Body) // of a text
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(string(body)+"\n")), int64(len(body)+1)
}

func TestTheLogTellsWhyADeliveryWasRejected(t *testing.T) {
	withHints(t)
	for name, test := range map[string]struct {
		directives string // default: saltareSite
		event      event
		hint       string // the beginning
	}{
		"the body was changed": {
			event: event{body: `{"delivery_id":"1","event":"task.created"}`, spoil: lengthen},
			hint:  "body_line_end: The body has a line break at its end that was not sent. ",
		},
		"another endpoint's secret": {
			directives: "route /other {\n verify_webhook saltare {\n  name other\n  secret another-test-secret current\n }\n}\nroute {" + saltareSite + "}",
			event:      event{secret: "another-test-secret"},
			hint:       "secret_other: The delivery is signed with the secret current of endpoint other. ",
		},
		"the head tells enough": {
			event: event{spoil: drop("X-Saltare-Signature")},
			hint:  `header_missing: `,
		},
		"the timestamp is old": {
			event: event{at: time.Now().Add(-time.Hour)},
			hint:  "too_old: The delivery was signed 1h0m",
		},
		"a forgery": {
			event: event{secret: "guess"},
			hint:  "unknown: ",
		},
		"monitored": {
			directives: "verify_webhook saltare {\n secret " + testSecret + "\n mode monitor\n}\nreverse_proxy APP",
			event:      event{spoil: lengthen},
			hint:       "body_line_end: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := newApplication(t)
			g := serve(t, app, cmp.Or(test.directives, saltareSite))
			if got := g.send("/", test.event); test.directives == "" {
				got.wants(t, 401, invalidBody)
			}
			lines := g.lines()
			hint, _ := lines[0]["hint"].(string)
			if len(lines) != 1 || lines[0]["verdict"] != "rejected" || !strings.HasPrefix(hint, test.hint) {
				t.Errorf("logged %v, want the hint %q", lines, test.hint)
			}
			if strings.Contains(hint, testSecret) || strings.Contains(hint, "another-test-secret") {
				t.Errorf("a secret is logged: %q", hint)
			}
		})
	}
}

// What the diagnoses of all endpoints take together is bounded.
func TestNothingIsLookedIntoBeyondTheBudget(t *testing.T) {
	withHints(t)
	hintBudget = &diagnosis.Budget{Most: 1} // the first diagnosis takes it, and none is earned
	g := serve(t, newApplication(t), "route /other {\n verify_webhook saltare {\n  name other\n  secret another-test-secret\n }\n}\nroute {"+saltareSite+"}")
	for range 5 {
		g.send("/", event{secret: "guess"}).wants(t, 401, invalidBody)
		g.send("/other", event{secret: "guess"}).wants(t, 401, invalidBody)
	}
	hints, lines := 0, g.lines()
	for _, line := range lines {
		if line["hint"] != nil {
			hints++
		}
	}
	if len(lines) != 10 || hints != 1 {
		t.Errorf("%d deliveries were logged, %d with a hint; want 10, 1 with one", len(lines), hints)
	}
}

func TestHintsOff(t *testing.T) {
	withHints(t)
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.options = "hints off"
	g.load(app, saltareSite)
	g.send("/", event{spoil: lengthen}).wants(t, 401, invalidBody)
	if lines := g.lines(); len(lines) != 1 || lines[0]["verdict"] != "rejected" || lines[0]["hint"] != nil {
		t.Errorf("logged %v", lines)
	}
}

func TestWhatIsNotRejectedHasNoHint(t *testing.T) {
	withHints(t)
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	g.send("/", event{spoil: func(r *http.Request) { r.Method = http.MethodPut }}).wants(t, 405, `{"error":"Method not allowed"}`)
	for _, line := range g.lines() {
		if hint, there := line["hint"]; there {
			t.Errorf("%v has the hint %v", line["verdict"], hint)
		}
	}
}

// A flood is logged whole, be it without hints, and gives back what it holds.
func TestAFloodIsLoggedWhole(t *testing.T) {
	withHints(t)
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	const senders, each = 8, 25
	var sent sync.WaitGroup
	for sender := range senders {
		sent.Go(func() {
			for n := range each {
				id := fmt.Sprint(sender, "-", n)
				g.send("/", event{id: id, secret: "guess", body: fmt.Sprintf(`{"delivery_id":%q,"event":"task"}`, id)}).wants(t, 401, invalidBody)
			}
		})
	}
	sent.Wait()
	hints, lines := 0, g.lines()
	for _, line := range lines {
		if line["hint"] != nil {
			hints++
		}
	}
	if len(lines) != senders*each || hints == 0 {
		t.Errorf("%d deliveries were logged, %d with a hint; want %d, some with one", len(lines), hints, senders*each)
	}
	givesBack(t)
}
