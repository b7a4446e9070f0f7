package caddymodule

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookpass/hookpass/delivery"
)

const (
	// DeliveriesPath is where the admin API tells of the newest deliveries, and below
	// which it tells of one, by its number.
	DeliveriesPath = "/webhooks/deliveries"

	// EndpointsPath is where it tells of the endpoints.
	EndpointsPath = "/webhooks/endpoints"

	defaultRecent = 500

	// keptPerSecond is how many rejected deliveries of an endpoint are kept that were
	// not looked into: those of a flood are all alike.
	keptPerSecond = 20

	// passedPerSecond is how many of the others are kept of an endpoint. Where more
	// come, the newest few hundred are those of a moment anyway, and to write down
	// each would cost as much as to verify it.
	passedPerSecond = 100
)

// recents are the process's, so that a reload forgets nothing.
var recents = delivery.NewRecent(defaultRecent)

// Recent is the memory of the newest deliveries.
type Recent struct {
	// How many are kept, half of them rejected ones. Default: 500.
	Capacity int `json:"capacity,omitempty"`

	// Whether they are kept with their bodies, in memory alone, so that they can be
	// seen, diagnosed and replayed. Default: they are not.
	Bodies bool `json:"bodies,omitempty"`

	// Values of JSON bodies that are never shown: names joined by dots, where * is
	// any name or element of an array, and ** any number of them, such as
	// data.object.email, items.*.card or **.email. Any other body is not shown at all.
	// Default: bodies are shown, without signatures and tokens.
	Redact []string `json:"redact,omitempty"`
}

func (r *Recent) capacity() int {
	if r == nil || r.Capacity == 0 {
		return defaultRecent
	}
	return r.Capacity
}

func (d *directive) recent(app *App) error {
	if d.NextArg() {
		return d.Err("recent takes no argument: write capacity into its block, such as capacity 500")
	}
	app.Recent = new(Recent)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word, err := d.enter("recent", []string{"capacity", "bodies", "redact"}, "redact")
		switch {
		case err != nil:
		case word == "capacity":
			err = d.positive(&app.Recent.Capacity, "capacity 500")
		case word == "bodies":
			err = d.onOff(&app.Recent.Bodies, "bodies on")
		default:
			err = d.redact(app.Recent)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *directive) redact(r *Recent) error {
	paths := d.RemainingArgs()
	if len(paths) == 0 {
		return d.wants("redact data.object.email items.*.card **.email")
	}
	r.Redact = append(r.Redact, paths...)
	if _, err := r.paths(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// paths are those of redact.
func (r *Recent) paths() ([]delivery.Path, error) {
	if r == nil {
		return nil, nil
	}
	var all []delivery.Path
	for _, text := range r.Redact {
		path, err := delivery.ParsePath(text)
		if err != nil {
			return nil, fmt.Errorf("recent: redact: %w", err)
		}
		all = append(all, path)
	}
	return all, nil
}

// masked are the header fields of which only the names are kept: all that the
// scheme reads. Those whose names speak of a secret go without saying.
func (s *settings) masked() map[string]bool {
	names := map[string]bool{}
	if facts, err := s.scheme.Facts(); err == nil { // resolve has compiled the same scheme
		for _, name := range facts.Header {
			names[name] = true
		}
	}
	return names
}

// Deliveries is what GET answers at DeliveriesPath: the newest first. Each has the
// fields of its line in the log, and number, method, path and header.
type Deliveries struct {
	Deliveries []json.RawMessage `json:"deliveries"`
}

const mostShown = 100

// showDeliveries answers those that have what the query says.
func showDeliveries(_ *App, r *http.Request) (any, error) {
	filters := r.URL.Query()
	limit := mostShown
	if text := filters.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			return nil, apiError(http.StatusBadRequest, "limit %q is no number above zero", text)
		}
	}
	filters.Del("limit")
	if err := knownFilters(filters); err != nil {
		return nil, err
	}
	found := Deliveries{[]json.RawMessage{}}
	for _, kept := range recents.Newest() {
		if len(found.Deliveries) == limit {
			break
		}
		if matches(kept, filters) {
			found.Deliveries = append(found.Deliveries, kept.Text)
		}
	}
	return found, nil
}

func knownFilters(filters url.Values) error {
	for name := range filters {
		if !slices.Contains(filterable, name) {
			return apiError(http.StatusBadRequest, "unknown filter %q: there are %s", name, strings.Join(filterable, ", "))
		}
	}
	return nil
}

// matches reports whether a delivery has what the filters say.
func matches(kept delivery.Kept, filters url.Values) bool {
	if len(filters) == 0 {
		return true
	}
	var fields map[string]any
	if err := json.Unmarshal(kept.Text, &fields); err != nil {
		return false
	}
	for name := range filters {
		if text, _ := fields[name].(string); text != filters.Get(name) {
			return false
		}
	}
	return true
}

// filterable are the fields that a query can ask for.
var filterable = []string{"endpoint", "provider", "verdict", "reason", "event", "delivery_id", "mode", "replayed", "secret", "remote", "request_id", "trace_id"}

func showDelivery(a *App, r *http.Request) (any, error) {
	kept, err := keptAt(r)
	if err != nil {
		return nil, err
	}
	return a.shown(kept), nil
}

// Endpoints is what GET answers at EndpointsPath.
type Endpoints struct {
	Endpoints []Endpoint `json:"endpoints"`
}

// Endpoint is one of them: its settings without secrets, and what has become of its
// deliveries since the process began.
type Endpoint struct {
	Name           string        `json:"name"`
	Provider       string        `json:"provider"`
	Mode           delivery.Mode `json:"mode"`
	Events         []string      `json:"events"` // none: all
	Tolerance      float64       `json:"tolerance_seconds"`
	MaxBody        int64         `json:"max_body"`
	ReadTimeout    float64       `json:"read_timeout_seconds"`
	ForwardTimeout float64       `json:"forward_timeout_seconds"`
	PublicURL      string        `json:"public_url,omitempty"`
	DedupKey       string        `json:"dedup_key"` // as in [EndpointDedup]
	DedupWindow    float64       `json:"dedup_window_seconds"`

	Deliveries map[delivery.Verdict]float64 `json:"deliveries"`
	LastHour   []delivery.Minute            `json:"last_hour"` // minutes without deliveries left out
	Secrets    []SecretUse                  `json:"secrets"`

	// When the newest verified delivery arrived; nil if there was none.
	LastVerified *time.Time `json:"last_verified,omitempty"`
}

// SecretUse is when a delivery was last verified with a secret.
type SecretUse struct {
	Label    string     `json:"label"`
	LastUsed *time.Time `json:"last_used,omitempty"` // nil: not since the process began
}

func showEndpoints(a *App, _ *http.Request) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := Endpoints{[]Endpoint{}}
	for _, name := range slices.Sorted(maps.Keys(a.endpoints)) {
		s, m := a.endpoints[name].settings, a.endpoints[name].meters
		known := s.dedup.shown(name, s.provider)
		e := Endpoint{
			Name: name, Provider: s.provider, Mode: s.mode, Events: append([]string{}, s.events...),
			Tolerance: s.tolerance.Seconds(), MaxBody: s.maxBody, ReadTimeout: s.read.Seconds(), ForwardTimeout: s.forward.Seconds(),
			PublicURL: s.publicURL, DedupKey: known.Key, DedupWindow: known.Window,
			Deliveries: map[delivery.Verdict]float64{}, LastHour: m.history.LastHour(time.Now()), Secrets: []SecretUse{},
		}
		if newest := m.newest.Load(); newest != never {
			at := time.Unix(0, newest).UTC()
			e.LastVerified = &at
		}
		if err := each(m.deliveries, func(labels map[string]string, n float64) {
			e.Deliveries[delivery.Verdict(labels["verdict"])] += n
		}); err != nil {
			return nil, err
		}
		used := map[string]float64{}
		if err := each(m.lastUse, func(labels map[string]string, at float64) { used[labels["secret"]] = at }); err != nil {
			return nil, err
		}
		for _, secret := range a.endpoints[name].described().Secrets {
			use := SecretUse{Label: secret.Label}
			if used[secret.Label] != 0 {
				at := time.UnixMilli(int64(used[secret.Label] * 1000)).UTC()
				use.LastUsed = &at
			}
			e.Secrets = append(e.Secrets, use)
		}
		all.Endpoints = append(all.Endpoints, e)
	}
	return all, nil
}

// each calls f with the labels and value of every metric of a collector.
func each(c prometheus.Collector, f func(labels map[string]string, value float64)) error {
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(c); err != nil {
		return err
	}
	families, err := registry.Gather()
	if err != nil {
		return err
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			f(labels, m.GetCounter().GetValue()+m.GetGauge().GetValue())
		}
	}
	return nil
}
