package caddymodule

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// streaming serves the stream of the admin API over HTTP, as Caddy does.
func streaming(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if failed := (caddy.APIError{}); errors.As(streamDeliveries(w, r), &failed) {
			http.Error(w, failed.Err.Error(), failed.HTTPStatus)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// opened returns the status of a stream, and what it says until the test ends.
func opened(t *testing.T, url, lastEventID string) (status int, events *bufio.Scanner) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Last-Event-ID", lastEventID)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp.StatusCode, bufio.NewScanner(resp.Body)
}

func events(t *testing.T, url, lastEventID string) *bufio.Scanner {
	t.Helper()
	status, events := opened(t, url, lastEventID)
	if status != http.StatusOK {
		t.Fatalf("a stream is answered %d", status)
	}
	return events
}

// next returns the delivery of the next event, without comments.
func next(t *testing.T, events *bufio.Scanner) kept {
	t.Helper()
	var id string
	for events.Scan() {
		switch name, value, _ := strings.Cut(events.Text(), ": "); name {
		case "id":
			id = value
		case "data":
			var got kept
			if err := json.Unmarshal([]byte(value), &got); err != nil {
				t.Fatalf("%v in %s", err, value)
			}
			if id != fmt.Sprint(got.Number) {
				t.Errorf("event %s is delivery %d", id, got.Number)
			}
			return got
		}
	}
	t.Fatalf("the stream has ended: %v", events.Err())
	return kept{}
}

func TestDeliveriesAreStreamedAsTheyCome(t *testing.T) {
	app := newApplication(t)
	name := fmt.Sprint("stream-", time.Now().UnixNano())
	site := strings.Replace(saltareSite, testSecret, "{\n name "+name+"\n secret "+testSecret+"\n}", 1)
	g := serve(t, app, site)
	server := streaming(t)
	g.send("/", event{id: "before"}).wants(t, 200, "handled")
	before := keptDeliveries(t, "?endpoint="+name, 1)[0].Number

	all := events(t, server.URL+"?endpoint="+name, "")
	rejected := events(t, server.URL+"?verdict=rejected&endpoint="+name, "")
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	if got := next(t, all); got.DeliveryID != "1" || got.Verdict != "forwarded" {
		t.Errorf("the first event is %+v", got)
	}
	g.send("/", event{secret: "guess"}).wants(t, 401, invalidBody)
	for _, told := range []*bufio.Scanner{all, rejected} {
		if got := next(t, told); got.Verdict != "rejected" {
			t.Errorf("the event of a forgery is %+v", got)
		}
	}

	again := events(t, server.URL+"?endpoint="+name, fmt.Sprint(before-1))
	for _, want := range []string{"before", "1"} {
		if got := next(t, again); got.DeliveryID != want {
			t.Errorf("who comes back is told of %+v, want %s", got, want)
		}
	}
	restarted := events(t, server.URL+"?endpoint="+name, fmt.Sprint(before+1<<40))
	if got := next(t, restarted); got.DeliveryID != "before" {
		t.Errorf("who comes from another process is told of %+v first", got)
	}

	g.load(app, site)
	for all.Scan() { // to its end
	}
	if err := all.Err(); err != nil {
		t.Errorf("with its configuration, the stream ends with %v", err)
	}
}

func TestAStreamIsRefused(t *testing.T) {
	app := newApplication(t)
	serve(t, app, saltareSite)
	server := streaming(t)
	for target, want := range map[string]int{"?verdct=failed": 400, "?limit=1": 400} {
		if status, _ := opened(t, server.URL+target, ""); status != want {
			t.Errorf("%s is answered %d, want %d", target, status, want)
		}
	}
	if status, _ := opened(t, server.URL, "evt_1"); status != 400 {
		t.Errorf("a Last-Event-ID that is no number is answered %d", status)
	}
	for range mostStreams {
		if status, _ := opened(t, server.URL, ""); status != 200 {
			t.Fatalf("a stream is answered %d", status)
		}
	}
	if status, _ := opened(t, server.URL, ""); status != 503 {
		t.Errorf("one stream too many is answered %d", status)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if status, _ := opened(t, server.URL, ""); status != 404 {
		t.Errorf("without a configuration, a stream is answered %d", status)
	}
}
