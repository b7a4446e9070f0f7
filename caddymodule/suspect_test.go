package caddymodule

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Of a captured delivery, everything but the unsigned id is genuine.
func TestACapturedDeliveryUnderAnotherIDIsFlagged(t *testing.T) {
	const site = "verify_webhook %s {\n secret " + testSecret + "\n %s \n}\nreverse_proxy APP"
	under := func(id string) func(*http.Request) {
		return func(r *http.Request) {
			for _, field := range []string{"X-Github-Delivery", "X-Sally-Delivery"} {
				if r.Header.Get(field) != "" {
					r.Header.Set(field, id)
				}
			}
		}
	}
	noID := func(r *http.Request) { r.Header.Del("X-Github-Delivery") }
	type step struct {
		event  event
		status int // the application's; 0: it is not asked
		replay string
	}
	body := func(text string) event { return event{id: "1", event: "push", body: text} }
	spoilt := func(e event, spoil func(*http.Request)) event {
		e.spoil = spoil
		return e
	}
	first := body(`{"commit":1}`)
	for _, tt := range []struct {
		name, provider, settings string
		steps                    []step
	}{
		{"another id", "github", "", []step{
			{first, 200, ""}, {spoilt(first, under("2")), 200, "suspected"}, {spoilt(first, under("3")), 200, "suspected"}, {spoilt(first, under("2")), 0, ""},
		}},
		{"no id", "github", "", []step{{first, 200, ""}, {spoilt(first, noID), 0, ""}}},
		{"the same id", "github", "", []step{{first, 200, ""}, {first, 0, ""}}},
		{"another body", "github", "", []step{{first, 200, ""}, {spoilt(body(`{"commit":2}`), under("2")), 200, ""}}},
		{"a retry of what failed", "github", "", []step{{first, 500, ""}, {first, 200, ""}}},
		{"what failed, under another id", "github", "", []step{{first, 500, ""}, {spoilt(first, under("2")), 200, ""}}},
		{"by content, it is a copy", "github", "dedup {\n key content\n}", []step{{first, 200, ""}, {spoilt(first, under("2")), 0, ""}}},
		{"by another unsigned place", "github", "dedup {\n key header X-GitHub-Delivery\n}", []step{
			{first, 200, ""}, {spoilt(first, under("2")), 200, "suspected"},
		}},
		{"in monitor mode", "github", "mode monitor", []step{{first, 200, ""}, {spoilt(first, under("2")), 200, "suspected"}}},
		{"the id is signed", "saltare", "", []step{
			{event{id: "1", event: "push"}, 200, ""}, {event{id: "2", event: "push"}, 200, ""},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := newApplication(t)
			g := serve(t, app, strings.NewReplacer("%s {", tt.provider+" {", "%s", tt.settings).Replace(site))
			for i, step := range tt.steps {
				app.status(max(step.status, 200))
				before := len(app.calls())
				e := step.event
				e.provider = tt.provider
				g.send("/", e)
				calls := app.calls()[before:]
				if (len(calls) == 1) != (step.status != 0) {
					t.Fatalf("step %d: the application is asked %d times", i, len(calls))
				}
				if step.status != 0 && calls[0].header.Get("Hookpass-Replay") != step.replay {
					t.Errorf("step %d: the application is told %q, want %q", i, calls[0].header.Get("Hookpass-Replay"), step.replay)
				}
			}
			for i, line := range g.lines() {
				if replayed, _ := line["replayed"].(string); replayed != tt.steps[i].replay {
					t.Errorf("line %d says %q, want %q", i, replayed, tt.steps[i].replay)
				}
			}
		})
	}
}

func TestSuspectedReplaysAreCounted(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, "verify_webhook sally {\n name suspects\n secret "+testSecret+"\n}\nreverse_proxy APP")
	captured := g.request("/", event{provider: "sally", id: "1", event: "alert.created"})
	again := captured.Clone(t.Context())
	again.Body, _ = captured.GetBody()
	again.Header.Set("X-Sally-Delivery", "2")
	g.do(captured).wants(t, 200, "handled")
	g.do(again).wants(t, 200, "handled") // its time is signed, and the same
	counted := 0.0
	for deadline := time.Now().Add(time.Minute); counted != 1 && time.Now().Before(deadline); { // behind the answer
		counted = measured(t)["replays_total{suspects,suspected,forwarded}"]
	}
	if counted != 1 {
		t.Errorf("%v suspected replays are counted", counted)
	}
}
