package caddymodule

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

func healthOption(address string, application ...string) string {
	return "health " + address + " {\n application " + strings.Join(application, " ") + "\n}"
}

// look asks a health port. It returns a connection to be reused if it can.
func look(t *testing.T, client *http.Client, address, path string) (status int, body string, reused bool) {
	t.Helper()
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), reused
}

func wantReadiness(t *testing.T, address string, status int, want Readiness) {
	t.Helper()
	got, text, _ := look(t, client, address, "/readyz")
	var answer Readiness
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if got != status || !reflect.DeepEqual(answer, want) {
		t.Errorf("/readyz answers %d %+v, want %d %+v", got, answer, status, want)
	}
}

func TestReadinessTellsOfTheApplication(t *testing.T) {
	app := newApplication(t)
	health, there, gone := freeAddress(t), app.Listener.Addr().String(), freeAddress(t)
	g := serve(t, app, saltareSite)
	g.options = healthOption(health, there, gone)
	g.load(app, saltareSite)
	wantReadiness(t, health, 200, Readiness{Ready: true, Store: "memory", Application: []ApplicationReadiness{{there, true}, {gone, false}}})

	app.Close()
	wantReadiness(t, health, 200, Readiness{Ready: true, Store: "memory", Application: []ApplicationReadiness{{there, false}, {gone, false}}})
}

func TestHealthAnswersNothingElse(t *testing.T) {
	app := newApplication(t)
	health := freeAddress(t)
	g := serve(t, app, saltareSite)
	g.options = "health " + health
	g.load(app, saltareSite)
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/metrics": 200, "/": 404, "/config/": 404} {
		if status, body, _ := look(t, client, health, path); status != want {
			t.Errorf("%s is answered %d %s, want %d", path, status, body, want)
		}
	}
	resp, err := client.Post("http://"+health+"/readyz", "", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST is answered %d", resp.StatusCode)
	}
}

// A connection to the health port outlives the configuration, and what is told
// is the new one's.
func TestHealthSurvivesAReload(t *testing.T) {
	keeping := &http.Client{Transport: new(http.Transport)}
	defer keeping.CloseIdleConnections()
	app := newApplication(t)
	health, other := freeAddress(t), freeAddress(t)
	g := serve(t, app, saltareSite)
	g.options = "health " + health
	g.load(app, saltareSite)
	if _, text, _ := look(t, keeping, health, "/readyz"); !strings.Contains(text, `"store":"memory"`) {
		t.Errorf("it answers %s", text)
	}
	g.send("/", event{id: "1"}).wants(t, 200, "handled")

	g.options = "health " + health + "\n" + journalOption(t.TempDir())
	g.load(app, saltareSite)
	_, text, reused := look(t, keeping, health, "/readyz")
	if !reused || !strings.Contains(text, `"store":"journal"`) {
		t.Errorf("it answers %s on the same connection: %v", text, reused)
	}
	if _, text, _ := look(t, keeping, health, "/metrics"); !strings.Contains(text, "\ncaddy_webhook_dedup_entries 1\n") {
		t.Errorf("the metrics are %s", text)
	}

	g.options = "health " + other
	g.load(app, saltareSite)
	wantReadiness(t, other, 200, Readiness{Ready: true, Store: "memory"})
	awaitClosed(t, health)
}

func TestAConfigurationThatFailsKeepsTheHealthPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	app := newApplication(t)
	health := freeAddress(t)
	g := serve(t, app, saltareSite)
	g.options = "health " + health
	g.load(app, saltareSite)
	g.options = "health " + taken.Addr().String()
	if err := g.tryLoad(app, saltareSite); err == nil || !strings.Contains(err.Error(), "health: ") {
		t.Errorf("with a port that is taken, the error is %v", err)
	}
	wantReadiness(t, health, 200, Readiness{Ready: true, Store: "memory"})
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	awaitClosed(t, health)
}

// awaitClosed returns when nobody listens any more, which is when the last request
// of the configuration has ended.
func awaitClosed(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", address, time.Minute)
		if err != nil {
			return
		}
		conn.Close()
	}
	t.Fatalf("%s still takes connections", address)
}

// Whether a replica without Redis takes deliveries is for on_error to say, and
// readiness says the same.
func TestReadinessWithoutRedis(t *testing.T) {
	for _, tt := range []struct {
		words  string
		status int
		want   Readiness
	}{
		{"on_error local", 200, Readiness{Ready: true, Store: "redis", Outage: true}},
		{"on_error reject", 503, Readiness{Reason: "Redis does not answer, and on_error is reject", Store: "redis", Outage: true}},
	} {
		t.Run(tt.words, func(t *testing.T) {
			redis := startRedis(t)
			app := newApplication(t)
			health := freeAddress(t)
			g := serve(t, app, saltareSite)
			g.options = redis.option(tt.words+"\ntimeout 10s") + "\nhealth " + health
			g.load(app, saltareSite)
			wantReadiness(t, health, 200, Readiness{Ready: true, Store: "redis"})
			redis.stop()
			awaitOutage(t, health, true)
			wantReadiness(t, health, tt.status, tt.want)
			redis.start()
			awaitOutage(t, health, false)
			wantReadiness(t, health, 200, Readiness{Ready: true, Store: "redis"})
		})
	}
}

// awaitOutage returns when the upkeep has noticed.
func awaitOutage(t *testing.T, health string, want bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, text, _ := look(t, client, health, "/readyz"); strings.Contains(text, `"outage":true`) == want {
			return
		}
	}
	t.Fatalf("outage does not become %v", want)
}
