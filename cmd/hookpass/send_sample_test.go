package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What the catalogue has of a provider, signed anew, is what its endpoint takes.
func TestASampleIsADeliveryOfTheProvider(t *testing.T) {
	sent := 0
	for _, id := range sendable(t) {
		t.Run(id, func(t *testing.T) {
			p := lookup(t, id)
			e, flags := endpointOf(t, p)
			output, err := run(append(flags, "--sample", id)...)
			if err != nil && (strings.Contains(err.Error(), "where the sample has its own") || strings.Contains(err.Error(), "has no delivery of")) {
				return
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			got := e.next(t)
			if got.err != nil || len(got.request.Body) == 0 {
				t.Errorf("%v: %s", got.err, got.request.Body)
			}
			sent++
		})
	}
	if sent < 200 {
		t.Errorf("%d providers have a sample", sent)
	}
}

func TestASampleOfAnEvent(t *testing.T) {
	vector := lookup(t, "stripe").Vectors[0]
	e, flags := endpointOf(t, lookup(t, "stripe"))
	if _, err := run(append(flags, "--sample", "--event", vector.Event, "stripe")...); err != nil {
		t.Fatal(err)
	}
	if got := e.next(t); string(got.request.Body) != vector.Body || got.delivery.Event != vector.Event {
		t.Errorf("%s, %+v", got.request.Body, got.delivery)
	}
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"--event", "none", "stripe"}, "the catalogue has no delivery of stripe with this event; it has those of: "},
		{[]string{"--data", `{"a":1}`, "stripe"}, "leave --data out"},
		{[]string{"mailgun"}, "mailgun has the signature in the body"},
	} {
		if _, err := run(append([]string{"--secret", "x", "--to", e.URL, "--sample"}, tt.args...)...); err == nil || !strings.Contains(err.Error(), "--sample: "+tt.says) && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v: %v", tt.args, err)
		}
	}
}

func TestFreshDeliveriesHaveEachItsOwnID(t *testing.T) {
	for _, id := range []string{"saltare", "sally"} { // the id is in the body, in a header
		e, flags := endpointOf(t, lookup(t, id))
		if _, err := run(append(flags, "--repeat", "3", "--fresh", id)...); err != nil {
			t.Fatal(err)
		}
		ids := map[string]bool{}
		for range 3 {
			ids[e.next(t).delivery.ID] = true
		}
		if len(ids) != 3 {
			t.Errorf("%s: the ids are %v", id, ids)
		}
	}
	if _, err := run("--fresh", "--id", "d-1", "github"); err == nil || !strings.Contains(err.Error(), "leave --id out") {
		t.Errorf("got %v", err)
	}
}

func TestExchangesInJSON(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("short & stout"))
	}))
	defer server.Close()
	output, _ := run("--secret", "sally-example-secret", "--to", server.URL+"/in", "--event", "alert.created", "--id", "d-1", "--data", "{}", "--json", "--repeat", "2", "sally")
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if len(lines) != 2 {
		t.Fatal(output)
	}
	var got exchange
	if err := json.Unmarshal([]byte(lines[1]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Status != http.StatusTeapot || got.Answer != "short & stout" || got.Request.URL != server.URL+"/in" || got.Request.Body != "{}" || got.Request.Header.Get("X-Sally-Signature") != sallySignature {
		t.Errorf("%+v", got)
	}
}

// The clock moves only while the command waits, so that what it waits is the rate.
func TestARateIsKeptAndTold(t *testing.T) {
	e, flags := endpointOf(t, lookup(t, "sally"))
	now := arrival
	var told strings.Builder
	s := &send{output: new(strings.Builder), progress: &told, now: func() time.Time { return now }, sleep: func(d time.Duration) { now = now.Add(d) }}
	f := s.flags()
	if err := f.Parse(append(flags, "--repeat", "8", "--rate", "4", "sally")); err != nil {
		t.Fatal(err)
	}
	if err := s.run(f.Args()); err != nil {
		t.Fatal(err)
	}
	var times []time.Duration
	for range 8 {
		times = append(times, e.next(t).delivery.Timestamp.Sub(arrival))
	}
	if times[0] != 0 || times[4] != time.Second || times[7] != time.Second || !now.Equal(arrival.Add(1750*time.Millisecond)) {
		t.Errorf("they were sent at %v, until %s", times, now)
	}
	want := "4 of 8 sent, 0 answered otherwise than 2xx, 4.0 a second\n8 of 8 sent, 0 answered otherwise than 2xx, 4.6 a second\n"
	if told.String() != want {
		t.Errorf("it tells\n%s", &told)
	}
	if _, err := run("--rate", "-1", "github"); err == nil || !strings.Contains(err.Error(), "--rate -1: write how many a second") {
		t.Errorf("got %v", err)
	}
}
