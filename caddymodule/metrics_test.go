package caddymodule

import (
	"bytes"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// measured returns what a scrape finds, by name and labels, these in the order of
// their names. Of a histogram it is how often something was measured, and the sum.
func measured(t *testing.T) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := registerMetrics(registry); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			name := strings.TrimPrefix(family.GetName(), "caddy_webhook_") + "{" + strings.Join(labels, ",") + "}"
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			if h := m.GetHistogram(); h != nil {
				got["sum "+name] = h.GetSampleSum()
			}
		}
	}
	return got
}

func TestDeliveriesAreMeasured(t *testing.T) {
	app := newApplication(t)
	const site = "verify_webhook saltare {\n secret " + testSecret + " current\n secret other-secret old\n}\nreverse_proxy APP"
	g := serve(t, app, site)
	before := measured(t)
	for name, present := range map[string]bool{
		"last_verified_timestamp_seconds{saltare}":                 false,
		"timestamp_age_seconds{saltare}":                           false,
		"secret_last_used_timestamp_seconds{saltare,current}":      true,
		"deliveries_total{saltare,enforce,saltare,,forwarded}":     false,
		"deliveries_total{saltare,enforce,saltare,,handshake}":     false,
		"secret_last_used_timestamp_seconds{saltare,not a secret}": false,
	} {
		if _, there := before[name]; there != present {
			t.Errorf("before any delivery, %s is there: %v", name, there)
		}
	}

	started := float64(time.Now().Unix())
	waiting := make(chan float64, 1)
	app.answers(func(http.ResponseWriter, *http.Request) {
		waiting <- measured(t)["in_flight{saltare}"]
	})
	g.send("/", event{id: "1", body: `{"delivery_id":"1"}`, at: time.Now().Add(-time.Minute)})
	g.load(app, site) // which forgets nothing
	g.send("/", event{id: "2", secret: "guess", body: `{}`})
	if got := <-waiting; got != 1 {
		t.Errorf("%v were in flight, want 1", got)
	}

	// A delivery is counted just after it has been answered.
	deadline := time.Now().Add(time.Minute)
	got := measured(t)
	for got["in_flight{saltare}"] != 0 && time.Now().Before(deadline) {
		got = measured(t)
	}
	for name, want := range map[string]float64{
		"deliveries_total{saltare,enforce,saltare,,forwarded}":                  1,
		"deliveries_total{saltare,enforce,saltare,signature_mismatch,rejected}": 1,
		"in_flight{saltare}":                              0,
		"buffered_bytes{}":                                0,
		"buffered_bytes_limit{}":                          defaultMaxBuffered,
		"secret_last_used_timestamp_seconds{saltare,old}": 0,
		"verify_seconds{saltare}":                         2,
		"forward_seconds{saltare}":                        1,
		"body_bytes{saltare}":                             2,
		"sum body_bytes{saltare}":                         21,
	} {
		if value, there := got[name]; !there || value != want {
			t.Errorf("%s is %v, want %v", name, value, want)
		}
	}
	for _, name := range []string{"last_verified_timestamp_seconds{saltare}", "secret_last_used_timestamp_seconds{saltare,current}"} {
		if at := got[name]; at < started || at > started+3600 {
			t.Errorf("%s is %v, began at %v", name, at, started)
		}
	}
	if age := got["timestamp_age_seconds{saltare}"]; age < 59 || age > 3600 {
		t.Errorf("it was signed %v seconds before, want a minute", age)
	}
}

func TestARemovedEndpointIsMeasuredNoMore(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	g.load(app, strings.Replace(saltareSite, "saltare", "github", 1))
	deadline := time.Now().Add(time.Minute) // a request may outlive its configuration
	left := func(name string) bool { return strings.Contains(name, "{saltare") }
	for slices.ContainsFunc(slices.Collect(maps.Keys(measured(t))), left) {
		if time.Now().After(deadline) {
			t.Fatalf("left are %v", slices.Sorted(maps.Keys(measured(t))))
		}
	}
}

func TestMetricsAreDocumented(t *testing.T) {
	var exist []string
	for _, c := range collectors() {
		descs := make(chan *prometheus.Desc)
		go func() {
			defer close(descs)
			c.Describe(descs)
		}()
		for desc := range descs {
			exist = append(exist, regexp.MustCompile(`caddy_webhook_\w+`).FindString(desc.String()))
		}
	}
	_, section, _ := bytes.Cut(readFile(t, "../docs/deliveries.md"), []byte("\n## Metrics\n"))
	section, _, _ = bytes.Cut(section, []byte("\n## "))
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(caddy_webhook_\\w+)`").FindAllSubmatch(section, -1) {
		documented = append(documented, string(row[1]))
	}
	slices.Sort(exist)
	slices.Sort(documented)
	if !slices.Equal(exist, documented) {
		t.Errorf("there are\n%v\nand documented are\n%v", exist, documented)
	}
}
