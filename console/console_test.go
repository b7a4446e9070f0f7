package console

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

// visit is a request as it reaches the handler: the rules are about nothing else.
type visit struct {
	method, target, host string
	local, peer, user    string
	header               http.Header
}

// answer is what the handler says to it. What is not said is as at the machine.
func (v visit) answer(t *testing.T) *httptest.ResponseRecorder {
	t.Helper()
	or := func(text *string, unlessSaid string) {
		if *text == "" {
			*text = unlessSaid
		}
	}
	or(&v.method, http.MethodGet)
	or(&v.target, "/")
	or(&v.host, "localhost:8082")
	or(&v.local, "127.0.0.1:8082")
	or(&v.peer, "127.0.0.1:50000")
	local, err := net.ResolveTCPAddr("tcp", v.local)
	if err != nil {
		t.Fatal(err)
	}
	repl := caddy.NewReplacer()
	if v.user != "" {
		repl.Set("http.auth.user.id", v.user)
	}
	ctx := context.WithValue(context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(local)), caddy.ReplacerCtxKey, repl)
	r := httptest.NewRequestWithContext(ctx, v.method, v.target, nil)
	r.Host, r.RemoteAddr = v.host, v.peer
	if v.header != nil {
		r.Header = v.header
	}
	c := new(Console)
	if err := c.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := c.ServeHTTP(w, r, caddyhttp.HandlerFunc(nobody)); err != nil {
		t.Fatal(err)
	}
	return w
}

func nobody(http.ResponseWriter, *http.Request) error {
	return fmt.Errorf("the handlers behind are reached")
}

func TestAccess(t *testing.T) {
	with := func(name, value string) http.Header { return http.Header{name: {value}} }
	for name, tt := range map[string]struct {
		visit   visit
		refused error // nil: it is answered
	}{
		"at this machine":                    {visit{}, nil},
		"by IPv4":                            {visit{host: "127.0.0.1:8082"}, nil},
		"by IPv6":                            {visit{host: "[::1]:8082", local: "[::1]:8082", peer: "[::1]:50000"}, nil},
		"without a port":                     {visit{host: "localhost"}, nil},
		"from another machine":               {visit{local: "192.0.2.1:8082", peer: "192.0.2.2:50000"}, errNotLoopback},
		"peer elsewhere":                     {visit{peer: "192.0.2.2:50000"}, errNotLoopback},
		"by the machine's public address":    {visit{local: "192.0.2.1:8082"}, errNotLoopback},
		"peer that is no address":            {visit{peer: "@"}, errNotLoopback},
		"name that resolves to this machine": {visit{host: "rebound.example.com:8082"}, errHost},
		"no name":                            {visit{host: " "}, errHost},
		"name that begins alike":             {visit{host: "localhost.example.com"}, errHost},
		"user before the host":               {visit{host: "localhost@example.com"}, errHost},
		"X-Forwarded-For":                    {visit{header: with("X-Forwarded-For", "127.0.0.1")}, errProxied},
		"X-Forwarded-Proto alone":            {visit{header: with("X-Forwarded-Proto", "https")}, errProxied},
		"Forwarded":                          {visit{header: with("Forwarded", "for=127.0.0.1")}, errProxied},
		"Via":                                {visit{header: with("Via", "1.1 proxy")}, errProxied},
		"Via without a value":                {visit{header: with("Via", "")}, errProxied},
		"user, from another machine":         {visit{user: "ann", local: "192.0.2.1:8082", peer: "192.0.2.2:50000", host: "hooks.example.com"}, nil},
		"user, through a proxy":              {visit{user: "ann", header: with("X-Forwarded-For", "192.0.2.2")}, nil},

		"API caused by another site":       {visit{target: "/webhooks/deliveries", header: with("Sec-Fetch-Site", "cross-site")}, errOtherSite},
		"API caused by another port":       {visit{target: "/webhooks/deliveries", header: with("Sec-Fetch-Site", "same-site")}, errOtherSite},
		"API caused by another site, user": {visit{user: "ann", target: "/webhooks/deliveries", header: with("Sec-Fetch-Site", "cross-site")}, errOtherSite},
		"link to the page":                 {visit{header: with("Sec-Fetch-Site", "cross-site")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			wantPermitted(t, tt.visit.answer(t), tt.refused)
		})
	}
}

func wantPermitted(t *testing.T, answer *httptest.ResponseRecorder, refused error) {
	t.Helper()
	got := strings.TrimSpace(answer.Body.String())
	if refused == nil {
		if answer.Code == http.StatusForbidden {
			t.Errorf("refused: %s", got)
		}
	} else if answer.Code != http.StatusForbidden || got != refused.Error() {
		t.Errorf("answered %d %.100q, want %q", answer.Code, got, refused)
	}
}

// Whatever changes something, only the page can cause.
func TestOnlyThePageChangesAnything(t *testing.T) {
	const marked = "Hookpass-Console"
	for name, tt := range map[string]struct {
		header http.Header
		passes bool
	}{
		"the page":                            {http.Header{marked: {"1"}, "Sec-Fetch-Site": {"same-origin"}, "Origin": {"http://localhost:8082"}}, true},
		"the page, no Sec-Fetch-Site":         {http.Header{marked: {"1"}, "Origin": {"http://localhost:8082"}}, true},
		"no field at all":                     {http.Header{}, false},
		"the marker alone":                    {http.Header{marked: {"1"}}, false},
		"no marker":                           {http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"http://localhost:8082"}}, false},
		"another marker":                      {http.Header{marked: {"0"}, "Sec-Fetch-Site": {"same-origin"}}, false},
		"another site":                        {http.Header{marked: {"1"}, "Sec-Fetch-Site": {"cross-site"}, "Origin": {"http://localhost:8082"}}, false},
		"another port":                        {http.Header{marked: {"1"}, "Sec-Fetch-Site": {"same-site"}, "Origin": {"http://localhost:9000"}}, false},
		"typed":                               {http.Header{marked: {"1"}, "Sec-Fetch-Site": {"none"}}, false},
		"another port, no Sec-Fetch-Site":     {http.Header{marked: {"1"}, "Origin": {"http://localhost:9000"}}, false},
		"a sandboxed frame":                   {http.Header{marked: {"1"}, "Origin": {"null"}}, false},
		"an origin that is no URL":            {http.Header{marked: {"1"}, "Origin": {"http://[::1"}}, false},
		"an origin that begins like the host": {http.Header{marked: {"1"}, "Origin": {"http://localhost:8082.example.com"}}, false},
	} {
		for _, user := range []string{"", "ann"} {
			for method, target := range map[string]string{http.MethodPost: "/webhooks/deliveries/1/replay", http.MethodDelete: "/webhooks/dedup/stripe?id=1"} {
				t.Run(fmt.Sprint(name, " ", method, " ", user), func(t *testing.T) {
					refused := errOtherSite
					if tt.passes {
						refused = nil
					}
					wantPermitted(t, visit{method: method, target: target, user: user, header: tt.header.Clone()}.answer(t), refused)
				})
			}
		}
	}
}

// What is there for everybody is there on what is refused, too.
func TestHeaderFields(t *testing.T) {
	for _, v := range []visit{{}, {target: "/console.js"}, {target: "/nothing"}, {target: "/webhooks/endpoints"}, {host: "example.com"}} {
		answer := v.answer(t)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
				"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Cache-Control":                "no-store",
		} {
			if got := answer.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", v.target, name, got, want)
			}
		}
	}
}

// The page is what it is made of, and no more.
func TestFilesOfThePage(t *testing.T) {
	err := fs.WalkDir(page, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		answer := visit{target: "/" + filepath.Base(name)}.answer(t)
		want, err := page.ReadFile(name)
		if err != nil {
			return err
		}
		kind := kinds[filepath.Ext(name)]
		if answer.Code != 200 || kind == "" || answer.Header().Get("Content-Type") != kind || answer.Body.String() != string(want) {
			t.Errorf("%s: %d %v", name, answer.Code, answer.Header())
		}
		for _, inline := range []string{"<style", " style=", " onclick=", "javascript:", "https://"} {
			if strings.Contains(string(want), inline) {
				t.Errorf("%s has %q in it", name, inline)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/page/index.html", "/../console.go", "/x", "/webhooks"} {
		if answer := (visit{target: target}).answer(t); answer.Code != 404 {
			t.Errorf("%s is answered %d", target, answer.Code)
		}
	}
	post := visit{method: http.MethodPost, header: http.Header{marker: {"1"}, "Sec-Fetch-Site": {"same-origin"}}}.answer(t)
	if post.Code != 405 || post.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST is answered %d %v", post.Code, post.Header())
	}
}

// site is a running Caddy with a console.
type site struct {
	*testing.T
	address string
	config  []byte
}

// serve runs Caddy with a Caddyfile, in which SITE stands for a free address at
// this machine.
func serve(t *testing.T, options, directives string) site {
	t.Helper()
	s := site{T: t, address: freeAddress(t)}
	text := fmt.Sprintf("{\n\tadmin off\n\tpersist_config off\n\tlog {\n\t\toutput file %s\n\t}\n%s\n}\nhttp://%s {\n%s\n}\n",
		filepath.Join(t.TempDir(), "caddy.log"), options, s.address, directives)
	var err error
	if s.config, _, err = caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"}); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if err := s.load(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// load makes the site's configuration the running one again, as a reload does.
func (s site) load() error {
	return caddy.Load(s.config, true)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// client opens a connection for each request, and follows nothing.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// answered is what a site has said.
type answered struct {
	status int
	header http.Header
	body   string
}

func (s site) get(path string, edit func(*http.Request)) answered {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	if edit != nil {
		edit(r)
	}
	answer, err := client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Fatal(err)
	}
	return answered{answer.StatusCode, answer.Header, string(text)}
}

// Wherever it stands in the site, and whatever else is there.
func TestBasicAuthProtectsTheConsole(t *testing.T) {
	const hash = "$2a$04$ojPMKpb/HiyjhBAUHSZ5kul9JBQOFLmAzNDLTMa00V8FCCFKy/1Eq" // of hunter2
	s := serve(t, "", fmt.Sprintf("webhook_console\nbasic_auth {\n ann %s\n}\nreverse_proxy localhost:1", hash))
	proxied := func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") }
	for name, tt := range map[string]struct {
		edit   func(*http.Request)
		status int
	}{
		"nobody, at this machine": {nil, 401},
		"nobody, elsewhere":       {proxied, 401},
		"wrong password":          {func(r *http.Request) { r.SetBasicAuth("ann", "hunter3") }, 401},
		"user":                    {func(r *http.Request) { r.SetBasicAuth("ann", "hunter2"); proxied(r) }, 200},
	} {
		for _, path := range []string{"/", "/console.js"} {
			if answer := s.get(path, tt.edit); answer.status != tt.status {
				t.Errorf("%s: %s is answered %d %.100s", name, path, answer.status, answer.body)
			}
		}
	}
	answer := s.get("/webhooks/endpoints", func(r *http.Request) { r.SetBasicAuth("ann", "hunter2") })
	if answer.status != 404 || answer.body != `{"error":"the running configuration has no verify_webhook"}`+"\n" {
		t.Errorf("the API answers %d %s", answer.status, answer.body)
	}
}

func TestBelowAPrefix(t *testing.T) {
	s := serve(t, "", "handle_path /ops/console* {\nwebhook_console\n}\nhandle {\nverify_webhook saltare hunter2-test-secret\nrespond 204\n}\n")
	if answer := s.get("/ops/console", nil); answer.status != 308 || answer.header.Get("Location") != "./console/" {
		t.Errorf("without a slash: %d %v", answer.status, answer.header)
	}
	for path, kind := range map[string]string{
		"/ops/console/":                   "text/html; charset=utf-8",
		"/ops/console/console.js":         "text/javascript; charset=utf-8",
		"/ops/console/webhooks/endpoints": "application/json",
	} {
		if answer := s.get(path, nil); answer.status != 200 || answer.header.Get("Content-Type") != kind {
			t.Errorf("%s: %d %v %.100s", path, answer.status, answer.header, answer.body)
		}
	}
	body := s.get("/ops/console/webhooks/endpoints", nil).body
	var told struct {
		Endpoints []struct{ Name string }
	}
	if err := json.Unmarshal([]byte(body), &told); err != nil || len(told.Endpoints) != 1 || told.Endpoints[0].Name != "saltare" {
		t.Errorf("the endpoints are %s, %v", body, err)
	}
}

// A delivery is in the stream at once, also where answers are compressed.
func TestStreamIsNotHeldBack(t *testing.T) {
	s := serve(t, "", "encode gzip\nhandle_path /console/* {\nwebhook_console\n}\nhandle {\nverify_webhook saltare hunter2-test-secret\nrespond 204\n}\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/console/webhooks/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := client.Do(r) // which takes gzip
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	lines := bufio.NewReader(stream.Body)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if answer := s.get("/hooks", func(r *http.Request) { r.Method = http.MethodPost }); answer.status != 401 {
		t.Fatalf("answered %d %s", answer.status, answer.body)
	}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if data, is := strings.CutPrefix(line, "data: "); is {
			if !strings.Contains(data, `"reason":"signature_missing"`) {
				t.Errorf("the delivery is %s", data)
			}
			return
		}
	}
}

func TestDirectiveTakesNothing(t *testing.T) {
	for _, text := range []string{"webhook_console /x y", "webhook_console {\nuser ann\n}"} {
		_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(":80 {\n"+text+"\n}"), nil)
		if err == nil || !strings.Contains(err.Error(), "webhook_console takes nothing: put basic_auth beside it") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
