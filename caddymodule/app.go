package caddymodule

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/dedup"
	"github.com/hookpass/hookpass/delivery"
	"github.com/hookpass/hookpass/diagnosis"
)

const (
	appName = "webhooks"

	// defaultMaxBuffered holds 256 bodies of the default largest size.
	defaultMaxBuffered = 256 << 20
)

// App holds what all verify_webhook handlers share: the memory of deliveries,
// the delivery log and the budget of buffered bytes.
type App struct {
	// Where deliveries are remembered. Default: in memory, without a journal.
	Dedup *DedupStore `json:"dedup,omitempty"`

	// Where the log of deliveries goes. Default: to stderr.
	DeliveryLog *DeliveryLog `json:"delivery_log,omitempty"`

	// A directory with provider files of your own. They stand beside the built-in
	// ones, whose ids and aliases they must not take. They are read when the
	// configuration is loaded. Default: none.
	Providers string `json:"providers,omitempty"`

	// What the files held when the Caddyfile was adapted. The adapter sets it, as
	// Caddy does not load a configuration that has not changed.
	ProvidersDigest string `json:"providers_digest,omitempty"`

	// The most bytes of bodies held at once by all endpoints of the process; a
	// delivery beyond it is told to come again. At least twice the largest max_body.
	// Default: 268435456, which is 256 MiB.
	MaxBuffered int64 `json:"max_buffered,omitempty"`

	// Whether the log tells why a delivery was rejected: "on", or "off", for who would
	// rather have the processor's time, at most 5 ms a second. Default: on.
	Hints string `json:"hints,omitempty"`

	// The newest deliveries, which the admin API tells of. Default: the 500 newest.
	Recent *Recent `json:"recent,omitempty"`

	// Where those who run the process ask how it fares. Default: nowhere.
	Health *Health `json:"health,omitempty"`

	catalogue catalog.Catalogue
	redact    []delivery.Path
	store     dedup.Store
	memory    *dedup.Memory // the store, or what stands before it
	redisKey  string        // of the store in the pool; empty: it is none
	log       *delivery.Log
	hints     *hints
	registry  *prometheus.Registry
	health    *healthServer

	replaced <-chan struct{} // closed when the configuration is not the running one any more

	begin  func() error // enforces the limits, once
	ended  bool         // there are none to enforce any more
	before *App         // the configuration that goes on if this one fails to start

	// users are this configuration, until its Cleanup, and the requests it runs.
	// Caddy cleans up while they still run, and the last one out lets go.
	users  atomic.Int64
	logKey string

	mu        sync.Mutex
	endpoints map[string]endpoint // by name
}

type endpoint struct {
	config   string // as JSON
	settings *settings
	meters   *meters

	// As diagnoses see it: behind a function, as it knows secrets, and fmt prints none.
	described func() diagnosis.Endpoint
}

// DeliveryLog is the log with one line for each delivery.
type DeliveryLog struct {
	// The writer: stdout, stderr (the default), discard, file, net, or any other
	// of Caddy's log writers. It should not share a file with another log.
	WriterRaw json.RawMessage `json:"output,omitempty" caddy:"namespace=caddy.logging.writers inline_key=output"`

	// How a line is written: "json", or "text", for people to read. Default: json.
	Format string `json:"format,omitempty"`
}

// logs outlive a configuration, as do the lines in their queues.
var logs = caddy.NewUsagePool()

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  appName,
		New: func() caddy.Module { return new(App) },
	}
}

// Provision reads the provider files and takes hold of the store and the log, which an earlier configuration
// may have opened.
func (a *App) Provision(ctx caddy.Context) (err error) {
	a.users.Store(1)
	a.replaced = ctx.Done()
	a.begin = sync.OnceValue(a.enforce)
	if err := a.check(); err != nil {
		return err
	}
	if a.catalogue, err = a.openCatalogue(); err != nil {
		return err
	}
	a.registry = ctx.GetMetricsRegistry()
	if err := registerMetrics(a.registry); err != nil {
		return err
	}
	if err := a.openLog(ctx); err != nil {
		return fmt.Errorf("opening the delivery log: %w", err)
	}
	a.hints = newHints(a)
	if err := a.openStore(); err != nil {
		return fmt.Errorf("opening the dedup store: %w", err)
	}
	return nil
}

func (a *App) check() (err error) {
	switch {
	case a.Dedup != nil && a.Dedup.Memory != nil && a.Dedup.Redis != nil:
		return errors.New("dedup memory and dedup redis exclude each other: write one of them")
	case a.Dedup != nil && a.Dedup.Redis != nil:
		if err := a.Dedup.Redis.check(); err != nil {
			return err
		}
	case a.capacity() < 0:
		return fmt.Errorf("dedup memory: capacity %d must be positive", a.capacity())
	case !slices.Contains(fsyncs, string(a.journal().Fsync)) && a.journal().Dir != "":
		return fmt.Errorf("dedup memory: fsync %q is none of %s", a.journal().Fsync, strings.Join(fsyncs, ", "))
	}
	if a.DeliveryLog != nil && a.DeliveryLog.Format != "" && !slices.Contains(formats, a.DeliveryLog.Format) {
		return fmt.Errorf("delivery_log: format %q is none of %s", a.DeliveryLog.Format, strings.Join(formats, ", "))
	}
	if a.Hints != "" && !slices.Contains(hintsWords, a.Hints) {
		return fmt.Errorf("hints: %q is none of %s", a.Hints, strings.Join(hintsWords, ", "))
	}
	if n := a.Recent.capacity(); n < 0 {
		return fmt.Errorf("recent: capacity %d must be positive", n)
	}
	if a.redact, err = a.Recent.paths(); err != nil {
		return err
	}
	if a.MaxBuffered < 0 {
		return fmt.Errorf("max_buffered %d must be positive", a.MaxBuffered)
	}
	return a.Health.check()
}

func (a *App) openCatalogue() (catalog.Catalogue, error) {
	if a.Providers == "" {
		return catalog.Catalogue{}, nil
	}
	c, err := catalog.Open(a.Providers)
	if err != nil {
		return c, fmt.Errorf("providers: %w", err)
	}
	return c, nil
}

func (a *App) maxBuffered() int64 { return cmp.Or(a.MaxBuffered, defaultMaxBuffered) }

// Start applies the limits to what the process shares. It does so here and not
// in Provision, as a configuration that fails to load must change nothing. Caddy
// starts apps in no order: a delivery that comes earlier does what Start does.
func (a *App) Start() error { return a.begin() }

// Stop leaves what is in use alone: requests may still be running.
func (a *App) Stop() error { return a.retire() }

// Cleanup ends the configuration's own use of what Provision took hold of. Stop
// does not come before it if the configuration failed before our Start.
func (a *App) Cleanup() error { return errors.Join(a.retire(), a.leave()) }

// enter keeps store and log open until leave. It reports false if they may be
// closed already, which then refuse what they are given.
func (a *App) enter() bool {
	for {
		n := a.users.Load()
		if n == 0 {
			return false
		}
		if a.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (a *App) leave() error {
	if a.users.Add(-1) > 0 {
		return nil
	}
	// Only what was taken: Cleanup runs also after a Provision that failed, and
	// the running configuration has its own share.
	var errs [3]error
	errs[0], errs[2] = a.closeStore(), a.closeHealth()
	if a.hints != nil {
		a.hints.close()
	}
	if a.log != nil {
		_, errs[1] = logs.Delete(a.logKey)
	}
	return errors.Join(errors.Join(errs[:]...), a.closeMeters())
}

func (a *App) closeMeters() error {
	var errs []error
	for _, name := range a.endpointNames() {
		_, err := metersByName.Delete(name)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// register makes sure that a name means one endpoint. The same settings may come
// twice: a site with two addresses has each of its handlers twice.
func (a *App) register(s *settings, config string, described func() diagnosis.Endpoint) (*meters, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, taken := a.endpoints[s.name]
	switch {
	case !taken:
		value, _, err := metersByName.LoadOrNew(s.name, func() (caddy.Destructor, error) { return newMeters(s.name), nil })
		if err != nil {
			return nil, err
		}
		known.meters = value.(*meters)
	case known.config != config:
		return nil, fmt.Errorf("two endpoints are named %s: give one of them another name", s.name)
	}
	if a.endpoints == nil {
		a.endpoints = map[string]endpoint{}
	}
	a.endpoints[s.name] = endpoint{config, s, known.meters, described}
	return known.meters, nil
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
