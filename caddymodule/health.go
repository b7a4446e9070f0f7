package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/hookpass/hookpass/dedup"
)

// Health is a port of its own, for those who run the process and nobody else:
// /livez answers 200 while there is a process, /readyz 200 while it takes
// deliveries and else 503, with a Readiness, and /metrics what Prometheus reads.
type Health struct {
	// Where to listen, such as ":8081". Required.
	Address string `json:"address,omitempty"`

	// The addresses of the application, such as "app:3000". /readyz tells which of
	// them take connections. It answers 200 none the less: a delivery that finds no
	// application is answered 502, and comes again. Default: none is asked.
	Application []string `json:"application,omitempty"`
}

// Readiness is what /readyz answers.
type Readiness struct {
	// Whether deliveries are taken, and if they are not, why.
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
	// Where deliveries are remembered: memory, journal or redis.
	Store string `json:"store,omitempty"`
	// Whether Redis does not answer. Only "on_error reject" makes that a reason
	// not to be ready.
	Outage      bool                   `json:"outage,omitempty"`
	Application []ApplicationReadiness `json:"application,omitempty"`
}

// ApplicationReadiness tells of one address of the application.
type ApplicationReadiness struct {
	Address   string `json:"address"`
	Reachable bool   `json:"reachable"`
}

const (
	// reachTimeout is half of what Kubernetes gives a probe.
	reachTimeout = 500 * time.Millisecond

	// healthTimeout is for whoever asks to send the question.
	healthTimeout = 5 * time.Second
)

// healths holds the servers by their address: a reload leaves no gap.
var healths = caddy.NewUsagePool()

type healthServer struct {
	http.Server
	metrics atomic.Pointer[http.Handler] // of the configuration in force
}

func (h *Health) check() error {
	if h == nil {
		return nil
	}
	if h.Address == "" {
		return errors.New("health: no address: write one, such as health :8081")
	}
	for _, text := range append([]string{h.Address}, h.Application...) {
		if address, err := caddy.ParseNetworkAddress(text); err != nil || !address.IsUnixNetwork() && (address.StartPort == 0 || address.PortRangeSize() != 1) {
			return fmt.Errorf("health: %q is no address: write host and port, such as localhost:8081", text)
		}
	}
	return nil
}

// openHealth has the server there that the configuration wants, and makes it
// tell this configuration's metrics.
func (a *App) openHealth() error {
	if a.Health == nil {
		return nil
	}
	if a.health == nil {
		value, _, err := healths.LoadOrNew(a.Health.Address, func() (caddy.Destructor, error) { return listenHealth(a.Health.Address) })
		if err != nil {
			return fmt.Errorf("health: %w", err)
		}
		a.health = value.(*healthServer)
	}
	metrics := promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
	a.health.metrics.Store(&metrics)
	return nil
}

func (a *App) closeHealth() error {
	if a.health == nil {
		return nil
	}
	_, err := healths.Delete(a.Health.Address)
	return err
}

func listenHealth(text string) (*healthServer, error) {
	address, err := caddy.ParseNetworkAddress(text)
	if err != nil {
		return nil, err
	}
	listener, err := address.Listen(context.Background(), 0, net.ListenConfig{})
	if err != nil {
		return nil, err
	}
	h := new(healthServer)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("alive\n")) })
	mux.HandleFunc("GET /readyz", readyz)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) { (*h.metrics.Load()).ServeHTTP(w, r) })
	h.Server = http.Server{Handler: mux, ReadTimeout: healthTimeout}
	go func() {
		if err := h.Serve(listener.(net.Listener)); !errors.Is(err, http.ErrServerClosed) {
			caddy.Log().Named(appName).Error("health checks are not answered any more", zap.Error(err))
		}
	}()
	return h, nil
}

// Destruct ends the server once no configuration uses it. That of a stop comes
// when the deliveries in flight have been answered.
func (h *healthServer) Destruct() error { return h.Close() }

func readyz(w http.ResponseWriter, r *http.Request) {
	answer := readiness(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer) // whoever asked has gone
}

func readiness(ctx context.Context) (answer Readiness) {
	if caddy.Exiting() {
		return Readiness{Reason: "stopping"}
	}
	a := running()
	if a == nil {
		return Readiness{Reason: "no configuration is running yet"}
	}
	defer func() {
		if err := a.leave(); err != nil {
			caddy.Log().Named(appName).Error("leaving the configuration", zap.Error(err))
		}
	}()
	answer.Store = a.storeName()
	if redis, shared := a.store.(*dedup.Redis); shared {
		answer.Outage = redis.Reach(ctx) != nil
	}
	if answer.Ready = !answer.Outage || !a.Dedup.Redis.rejects(); !answer.Ready {
		answer.Reason = "Redis does not answer, and on_error is reject"
	}
	if a.Health != nil { // the configuration may be about to give the port up
		answer.Application = reach(ctx, a.Health.Application)
	}
	return answer
}

// reach finds out which addresses take connections.
func reach(ctx context.Context, addresses []string) []ApplicationReadiness {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	answers := make([]ApplicationReadiness, len(addresses))
	var all sync.WaitGroup
	for i, text := range addresses {
		all.Go(func() { answers[i] = ApplicationReadiness{text, reachable(ctx, text)} })
	}
	all.Wait()
	return answers
}

func reachable(ctx context.Context, text string) bool {
	address, err := caddy.ParseNetworkAddress(text)
	if err != nil {
		return false // Provision has checked it
	}
	conn, err := new(net.Dialer).DialContext(ctx, address.Network, address.JoinHostPort(0))
	return err == nil && conn.Close() == nil
}

func (d *directive) health(app *App) (err error) {
	app.Health = new(Health)
	if app.Health.Address, err = d.argument("health :8081"); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if _, err := d.enter("health", []string{"application"}); err != nil {
			return err
		}
		if app.Health.Application = d.RemainingArgs(); len(app.Health.Application) == 0 {
			return d.wants("application localhost:3000")
		}
	}
	if err := app.Health.check(); err != nil {
		return d.errAt("health", err)
	}
	return nil
}
