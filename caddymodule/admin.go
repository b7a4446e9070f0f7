package caddymodule

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/hookpass/hookpass/dedup"
)

// DedupPath is where Caddy's admin API tells what the running configuration
// remembers (GET), and below which it forgets (DELETE): all deliveries of an
// endpoint at DedupPath/<endpoint>, or one of them with ?id= its delivery id or
// ?content= the SHA-256 of its body in hex, whichever the endpoint goes by.
const DedupPath = "/webhooks/dedup"

// AdminAPI is what operators ask of a running hookpass, as part of Caddy's admin
// API. It needs no configuration.
type AdminAPI struct{}

// CaddyModule returns the Caddy module information.
func (AdminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.webhooks",
		New: func() caddy.Module { return AdminAPI{} },
	}
}

// Routes returns the paths of the API.
func (AdminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: DedupPath, Handler: withApp(http.MethodGet, showDedup)},
		{Pattern: DedupPath + "/", Handler: withApp(http.MethodDelete, forget)},
		{Pattern: DeliveriesPath, Handler: withApp(http.MethodGet, showDeliveries)},
		{Pattern: DeliveriesPath + "/{number}", Handler: withApp(http.MethodGet, showDelivery)},
		{Pattern: DeliveriesPath + "/{number}/diagnosis", Handler: withApp(http.MethodGet, diagnoseDelivery)},
		{Pattern: DeliveriesPath + "/{number}/replay", Handler: withApp(http.MethodPost, replayDelivery)},
		{Pattern: StreamPath, Handler: caddy.AdminHandlerFunc(streamDeliveries)},
		{Pattern: EndpointsPath, Handler: withApp(http.MethodGet, showEndpoints)},
	}
}

var errNotConfigured = apiError(http.StatusNotFound, "the running configuration has no verify_webhook")

// withApp has the running configuration answer, which a reload does not take
// away meanwhile.
func withApp(method string, answer func(*App, *http.Request) (any, error)) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != method {
			return apiError(http.StatusMethodNotAllowed, "use %s", method)
		}
		a := running()
		if a == nil {
			return errNotConfigured
		}
		text, err := a.answer(r, answer)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(text)
	}
}

// answer leaves the configuration, which was entered, also if there is a panic.
func (a *App) answer(r *http.Request, answer func(*App, *http.Request) (any, error)) (text any, err error) {
	defer func() {
		if left := a.leave(); err == nil {
			err = left
		}
	}()
	return answer(a, r)
}

// running returns the app of the running configuration, which has to be left. It
// is nil if there is none.
func running() *App {
	app, _ := caddy.ActiveContext().AppIfConfigured(appName)
	if a, ok := app.(*App); ok && a.enter() {
		return a
	}
	return nil
}

func apiError(status int, format string, args ...any) error {
	return caddy.APIError{HTTPStatus: status, Err: fmt.Errorf(format, args...)}
}

// DedupState is what GET answers at DedupPath.
type DedupState struct {
	Capacity int `json:"capacity"`
	Entries  int `json:"entries"`   // deliveries remembered
	InFlight int `json:"in_flight"` // at the application now
	Waiters  int `json:"waiters"`   // copies that wait for one in flight
	// Deliveries forgotten before their window ended, for lack of capacity.
	EvictedEarly uint64 `json:"evicted_early"`
	// The age of the oldest delivery, in seconds.
	EffectiveWindow float64 `json:"effective_window_seconds"`
	// Where deliveries are remembered: memory, journal or redis.
	Store string `json:"store"`
	// Whether Redis does not answer.
	Outage    bool            `json:"outage,omitempty"`
	Endpoints []EndpointDedup `json:"endpoints"`
}

// EndpointDedup is how one endpoint tells copies.
type EndpointDedup struct {
	Name     string  `json:"name"`
	Provider string  `json:"provider"`
	Key      string  `json:"key"`            // what tells copies: provider, content, place (a header or body field) or off
	Window   float64 `json:"window_seconds"` // how long a delivery is remembered
}

func showDedup(a *App, _ *http.Request) (any, error) {
	stats := a.memory.Stats()
	state := DedupState{
		Capacity: a.capacity(), Entries: stats.Entries, InFlight: stats.InFlight, Waiters: stats.Waiters,
		EvictedEarly: stats.EvictedEarly, EffectiveWindow: stats.EffectiveWindow.Seconds(), Store: a.storeName(),
		Endpoints: []EndpointDedup{},
	}
	if redis, shared := a.store.(*dedup.Redis); shared {
		state.Outage = redis.Stats().Outage
	}
	for _, name := range a.endpointNames() {
		s := a.endpoint(name)
		state.Endpoints = append(state.Endpoints, s.dedup.shown(name, s.provider))
	}
	return state, nil
}

func (s dedupSettings) shown(name, provider string) EndpointDedup {
	if s.off {
		return EndpointDedup{name, provider, "off", 0}
	}
	return EndpointDedup{name, provider, s.key.kind, s.window.Seconds()}
}

// storeName tells where deliveries are remembered.
func (a *App) storeName() string {
	switch {
	case a.redisKey != "":
		return "redis"
	case a.journal().Dir != "":
		return "journal"
	default:
		return "memory"
	}
}

// Forgotten is what DELETE answers.
type Forgotten struct {
	// Whether the delivery had been remembered. Always true of an endpoint.
	Known bool `json:"known"`
}

func forget(a *App, r *http.Request) (any, error) {
	name := strings.TrimPrefix(r.URL.Path, DedupPath+"/")
	s := a.endpoint(name)
	if s == nil {
		return nil, apiError(http.StatusNotFound, "no endpoint is named %q: there are %s", name, strings.Join(a.endpointNames(), ", "))
	}
	if s.dedup.off {
		return nil, apiError(http.StatusBadRequest, "endpoint %s remembers nothing: its dedup is off", name)
	}
	query := r.URL.Query()
	id, content := query.Get("id"), query.Get("content")
	byContent := s.dedup.key.kind == keyContent
	switch {
	case id == "" && content == "":
		return Forgotten{true}, a.store.ForgetEndpoint(r.Context(), name)
	case byContent != (id == ""), id != "" && content != "":
		what := "their id: give that"
		if byContent {
			what = "their body: give that"
		}
		return nil, apiError(http.StatusBadRequest, "endpoint %s knows deliveries by %s", name, what)
	}
	kind, text := "id", id
	if byContent {
		digest, err := hex.DecodeString(content)
		if err != nil {
			return nil, apiError(http.StatusBadRequest, "content is no digest in hex: %w", err)
		}
		kind, text = keyContent, string(digest)
	}
	known, err := a.store.Forget(r.Context(), dedup.NewID(name, kind, text))
	return Forgotten{known}, err
}

// endpoint returns the settings of the endpoint; nil if there is none.
func (a *App) endpoint(name string) *settings {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.endpoints[name].settings
}

func (a *App) endpointNames() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.endpoints))
}

// Interface guards
var _ caddy.AdminRouter = AdminAPI{}
