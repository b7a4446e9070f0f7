package caddymodule

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookpass/hookpass/dedup"
	"github.com/hookpass/hookpass/webhook"
)

func journalOption(dir string) string {
	return "dedup memory {\n journal " + dir + " {\n fsync never\n }\n}"
}

func TestARestartWithAJournalForgetsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dedup")
	for range 3 {
		t.Run("", func(t *testing.T) {
			app := newApplication(t)
			g := serve(t, app, saltareSite)
			g.options = journalOption(dir)
			g.load(app, saltareSite)
			first := "handled"
			if len(filesOf(t, dir)) > 1 { // beside the lock
				first = duplicateBody
			}
			g.send("/", event{id: "1"}).wants(t, 200, first)
			g.send("/", event{id: "1"}).wants(t, 200, duplicateBody)
		})
	}
}

// Caddy starts apps in no order, so that deliveries may come before ours has been
// started.
func TestADeliveryThatComesBeforeTheStartFindsTheJournal(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.options = journalOption(filepath.Join(t.TempDir(), "dedup"))
	g.load(app, saltareSite)
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}

	config, err := g.config(app, saltareSite)
	if err != nil {
		t.Fatal(err)
	}
	var c caddy.Config
	if err := json.Unmarshal(config, &c); err != nil {
		t.Fatal(err)
	}
	ctx, err := caddy.ProvisionContext(&c)
	if err != nil {
		t.Fatal(err)
	}
	configured, err := ctx.App(appName)
	if err != nil {
		t.Fatal(err)
	}
	ours := configured.(*App)
	settings := ours.endpoint("saltare")
	x := exchange{
		h:        &VerifyWebhook{app: ours, settings: *settings},
		r:        g.request("/", event{id: "1"}),
		delivery: webhook.Delivery{ID: "1"},
	}
	outcome, err := x.claim()
	if err != nil || outcome.Kind != dedup.Duplicate {
		t.Errorf("claim = %v, %v, want a duplicate", outcome.Kind, err)
	}
	if outcome.Claim != nil {
		outcome.Claim.Abort()
	}
	if err := ours.Cleanup(); err != nil {
		t.Error(err)
	}
	// A delivery of a configuration that fails may be late, too.
	ours.begin = sync.OnceValue(ours.enforce)
	if _, err := x.claim(); !errors.Is(err, dedup.ErrClosed) {
		t.Errorf("claim = %v after the end, want ErrClosed", err)
	}
	if inForce.app == ours {
		t.Error("a configuration that has ended is in force")
	}
}

func filesOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A reload turns a journal on, moves it, and turns it off; what is remembered
// stays, and goes into each.
func TestAReloadChangesTheJournal(t *testing.T) {
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	for i, option := range []string{journalOption(one), journalOption(two), "", journalOption(one)} {
		g.options = option
		g.load(app, saltareSite)
		g.send("/", event{id: "1"}).wants(t, 200, duplicateBody)
		id := string(rune('a' + i))
		g.send("/", event{id: id}).wants(t, 200, "handled")
		g.send("/", event{id: id}).wants(t, 200, duplicateBody)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	again := serve(t, app, saltareSite)
	again.options = journalOption(one)
	again.load(app, saltareSite)
	for _, id := range []string{"1", "a", "b", "c", "d"} {
		again.send("/", event{id: id}).wants(t, 200, duplicateBody)
	}
}

// A configuration that fails to start leaves no journal behind, and the one that
// goes on keeps its own.
func TestAConfigurationThatFailsToStartChangesNoJournal(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	own, other := filepath.Join(t.TempDir(), "own"), filepath.Join(t.TempDir(), "other")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.options = journalOption(own)
	g.load(app, saltareSite)
	for name, tt := range map[string]struct{ option, site string }{
		"a listener is taken":    {journalOption(other), saltareSite + "}\nhttp://" + taken.Addr().String() + " {\n bind 127.0.0.1\n respond taken\n"},
		"the path is no folder":  {journalOption(file), saltareSite},
		"nothing, but it is off": {"", saltareSite + "}\nhttp://" + taken.Addr().String() + " {\n bind 127.0.0.1\n respond taken\n"},
	} {
		g.options = tt.option
		err := g.tryLoad(app, tt.site)
		if err == nil {
			t.Fatalf("%s: it was loaded", name)
		}
		if strings.Contains(name, "folder") && !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v does not name %s", name, err, file)
		}
		g.send("/", event{id: name}).wants(t, 200, "handled")
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	again := serve(t, app, saltareSite)
	again.options = journalOption(own)
	again.load(app, saltareSite)
	for _, id := range []string{"a listener is taken", "the path is no folder", "nothing, but it is off"} {
		again.send("/", event{id: id}).wants(t, 200, duplicateBody)
	}
}

func TestMemoryIsMeasured(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.options = journalOption(filepath.Join(t.TempDir(), "dedup"))
	g.load(app, saltareSite)
	for _, id := range []string{"1", "2", "2"} {
		g.send("/", event{id: id})
	}
	got := gather(t, storeMetrics{})
	if got["effective_window_seconds"] <= 0 || got["journal_bytes"] <= 0 {
		t.Errorf("%v", got)
	}
	for name, want := range map[string]float64{
		"entries": 2, "evicted_early_total": 0, "in_flight": 0, "waiters": 0, "journal_segments": 1, "journal_errors_total": 0,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v, want %v", name, value, want)
		}
	}
}

// gather returns the values by what follows the metrics' common prefix.
func gather(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		m := family.GetMetric()[0]
		got[strings.TrimPrefix(family.GetName(), "caddy_webhook_dedup_")] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	return got
}
