// Package console is the operator's page: the handler
// http.handlers.webhook_console, which shows what becomes of deliveries while they
// come.
//
// Beneath the page it serves the same API as Caddy's admin endpoint. Who may see
// both is in access.go.
package console

import (
	"embed"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/hookpass/hookpass/caddymodule"
)

const directive = "webhook_console"

func init() {
	caddy.RegisterModule(&Console{})
	httpcaddyfile.RegisterHandlerDirective(directive, func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		c := new(Console)
		err := c.UnmarshalCaddyfile(h.Dispenser)
		return c, err
	})
	// Behind all that authenticates and rewrites, and like metrics before what
	// answers everything.
	httpcaddyfile.RegisterDirectiveOrder(directive, httpcaddyfile.After, "metrics")
}

// Console shows the deliveries of the running configuration, as they come, with the
// reasons of what was refused, and lets an operator send one to the application
// again.
//
// Without authentication it answers on the loopback interface alone, and to
// requests that no proxy has passed on; elsewhere it wants a user whom a handler in
// front, such as basic_auth, has authenticated. It has no settings.
type Console struct {
	api *http.ServeMux
}

// CaddyModule returns the Caddy module information.
func (*Console) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.webhook_console",
		New: func() caddy.Module { return new(Console) },
	}
}

// Provision opens a second door to the routes of the admin API.
func (c *Console) Provision(caddy.Context) error {
	c.api = http.NewServeMux()
	for _, route := range (caddymodule.AdminAPI{}).Routes() {
		c.api.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := route.Handler.ServeHTTP(w, r); err != nil {
				tell(w, err)
			}
		})
	}
	return nil
}

// tell answers an error of the API as the admin endpoint does.
func tell(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if failed := (caddy.APIError{}); errors.As(err, &failed) {
		status = failed.HTTPStatus
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // to somebody who has left
}

//go:embed page
var page embed.FS

// kinds are what the files of the page are, whatever the machine takes them for.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// policy lets the page load what is served beside it, and nothing become HTML that
// was text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// ServeHTTP answers every request: nothing is left to the handlers behind.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	for name, value := range map[string]string{
		"Content-Security-Policy":      policy,
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cache-Control":                "no-store",
	} {
		w.Header().Set(name, value)
	}
	if err := permit(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return nil
	}
	if strings.HasPrefix(r.URL.Path, "/webhooks/") {
		c.api.ServeHTTP(w, r)
		return nil
	}
	return c.servePage(w, r)
}

func (*Console) servePage(w http.ResponseWriter, r *http.Request) error {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		if asked := askedPath(r); !strings.HasSuffix(asked, "/") {
			// The page names everything relative to the folder that it is in.
			w.Header().Set("Location", "./"+url.PathEscape(path.Base(asked))+"/")
			w.WriteHeader(http.StatusPermanentRedirect)
			return nil
		}
		name = "index.html"
	}
	text, err := page.ReadFile("page/" + name)
	switch {
	case err != nil:
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
	default:
		w.Header().Set("Content-Type", kinds[path.Ext(name)])
		_, _ = w.Write(text) //nolint:gosec // a file that is embedded, and as it is
	}
	return nil
}

// askedPath is the path as the browser has it: handle_path and the like have taken
// something away from ours.
func askedPath(r *http.Request) string {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return original.URL.Path
	}
	return r.URL.Path
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens:
//
//	webhook_console [<matcher>]
func (*Console) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() || d.NextBlock(0) {
		return d.Errf("%s takes nothing: put basic_auth beside it to let others than this machine in", directive)
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Console)(nil)
	_ caddyfile.Unmarshaler       = (*Console)(nil)
	_ caddyhttp.MiddlewareHandler = (*Console)(nil)
)
