package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/delivery"
)

// ask has the admin API answer, and returns the status and the JSON.
func ask(t *testing.T, method, target string, answer any) (status int, text string) {
	t.Helper()
	mux := http.NewServeMux()
	var failure error
	for _, route := range (AdminAPI{}).Routes() {
		mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) { failure = route.Handler.ServeHTTP(w, r) })
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, nil))
	if failed := (caddy.APIError{}); errors.As(failure, &failed) {
		return failed.HTTPStatus, failed.Err.Error()
	}
	if failure != nil {
		t.Fatal(failure)
	}
	if err := json.Unmarshal(w.Body.Bytes(), answer); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return w.Code, w.Body.String()
}

// kept is a delivery that the admin API tells of.
type kept struct {
	Number     uint64              `json:"number"`
	Verdict    string              `json:"verdict"`
	DeliveryID string              `json:"delivery_id"`
	Hint       string              `json:"hint"`
	Method     string              `json:"method"`
	Path       string              `json:"path"`
	Header     map[string][]string `json:"header"`
}

// keptDeliveries waits until there are n that the query finds: they are kept when
// they have been answered.
func keptDeliveries(t *testing.T, query string, n int) []kept {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		var found struct{ Deliveries []kept }
		_, text := ask(t, http.MethodGet, DeliveriesPath+query, &found)
		if len(found.Deliveries) == n || time.Now().After(deadline) {
			if len(found.Deliveries) != n {
				t.Fatalf("%s finds %d, want %d: %s", query, len(found.Deliveries), n, text)
			}
			return found.Deliveries
		}
	}
}

func TestTheNewestDeliveriesAreKept(t *testing.T) {
	withHints(t)
	app := newApplication(t)
	name := fmt.Sprint("recent-", time.Now().UnixNano()) // others have left theirs in the process
	site := strings.Replace(saltareSite, testSecret, "{\n name "+name+"\n secret "+testSecret+"\n}", 1)
	g := serve(t, app, site)
	g.send("/hooks", event{id: "1", event: "task.created"}).wants(t, 200, "handled")
	keptDeliveries(t, "?endpoint="+name, 1)
	g.load(app, site) // which forgets nothing
	g.send("/hooks?token=hunter2", event{id: "2", event: "task.created", spoil: lengthen}).wants(t, 401, invalidBody)

	all := keptDeliveries(t, "?endpoint="+name, 2)
	rejected, forwarded := all[0], all[1]
	if forwarded.Verdict != "forwarded" || forwarded.DeliveryID != "1" || forwarded.Path != "/hooks" || forwarded.Method != http.MethodPost {
		t.Errorf("the first is %+v", forwarded)
	}
	if rejected.Verdict != "rejected" || !strings.HasPrefix(rejected.Hint, "body_line_end: ") || rejected.Path != "/hooks" {
		t.Errorf("the second is %+v", rejected)
	}
	for _, d := range all {
		if got := d.Header["X-Saltare-Signature"]; !slices.Equal(got, []string{"…"}) {
			t.Errorf("its signature is kept as %q", got)
		}
		if got := d.Header["User-Agent"]; !slices.Equal(got, []string{"Go-http-client/1.1"}) {
			t.Errorf("its User-Agent is kept as %q", got)
		}
	}
	keptDeliveries(t, "?endpoint="+name+"&verdict=rejected", 1)
	keptDeliveries(t, "?endpoint="+name+"&delivery_id=1", 1)
	keptDeliveries(t, "?endpoint="+name+"&delivery_id=3", 0)
	keptDeliveries(t, "?endpoint="+name+"&limit=1", 1)

	var one kept
	if _, text := ask(t, http.MethodGet, fmt.Sprint(DeliveriesPath, "/", rejected.Number), &one); one.Hint != rejected.Hint {
		t.Errorf("alone it is %s", text)
	}
	for target, want := range map[string]int{
		DeliveriesPath + "/0":             404,
		DeliveriesPath + "/x":             404,
		DeliveriesPath + "?verdct=failed": 400,
		DeliveriesPath + "?limit=0":       400,
	} {
		if status, text := ask(t, http.MethodGet, target, nil); status != want {
			t.Errorf("%s is answered %d %s, want %d", target, status, text, want)
		}
	}
	if status, text := ask(t, http.MethodDelete, DeliveriesPath, nil); status != 405 {
		t.Errorf("DELETE is answered %d %s", status, text)
	}
}

func TestFewOfAFloodAreKept(t *testing.T) {
	app := newApplication(t)
	name := fmt.Sprint("flood-", time.Now().UnixNano())
	g := serve(t, app, strings.Replace(saltareSite, testSecret, "{\n name "+name+"\n secret "+testSecret+"\n}", 1))
	g.options = "recent {\n capacity 20\n}"
	g.load(app, strings.Replace(saltareSite, testSecret, "{\n name "+name+"\n secret "+testSecret+"\n}", 1))
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	for range 30 {
		g.send("/", event{secret: "guess"}).wants(t, 401, invalidBody)
	}
	keptDeliveries(t, "?endpoint="+name+"&verdict=forwarded", 1)
	keptDeliveries(t, "?endpoint="+name+"&verdict=rejected", 10)
}

func TestTheAdminAPITellsOfTheEndpoints(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, `verify_webhook saltare {
		name saltare-prod
		secret `+testSecret+` current
		secret other-test-secret old
		events task.*
		tolerance 2m
		public_url https://hooks.example.com
	}
	reverse_proxy APP`)
	g.send("/", event{id: "1", event: "task.created"}).wants(t, 200, "handled")
	g.send("/", event{id: "2", event: "other"})
	g.send("/", event{secret: "guess"}).wants(t, 401, invalidBody)
	var got Endpoints
	var text string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		got = Endpoints{}
		if _, text = ask(t, http.MethodGet, EndpointsPath, &got); len(got.Endpoints[0].Deliveries) == 3 {
			break
		}
	}
	if len(got.Endpoints) != 1 {
		t.Fatalf("there are %s", text)
	}
	e := got.Endpoints[0]
	if e.Name != "saltare-prod" || e.Provider != "saltare" || e.Mode != "enforce" || !slices.Equal(e.Events, []string{"task.*"}) ||
		e.Tolerance != 120 || e.MaxBody != defaultMaxBody || e.ReadTimeout != 10 || e.ForwardTimeout != 30 || e.PublicURL != "https://hooks.example.com" ||
		e.DedupKey != "provider" || e.DedupWindow < 86400 {
		t.Errorf("its settings are %s", text)
	}
	if e.Deliveries["forwarded"] != 1 || e.Deliveries["ignored"] != 1 || e.Deliveries["rejected"] != 1 || e.LastVerified == nil || time.Since(*e.LastVerified) > time.Hour {
		t.Errorf("its deliveries are %s", text)
	}
	if len(e.Secrets) != 2 || e.Secrets[0].Label != "current" || e.Secrets[0].LastUsed == nil || e.Secrets[1].Label != "old" || e.Secrets[1].LastUsed != nil {
		t.Errorf("its secrets are %s", text)
	}
	if strings.Contains(text, testSecret) || strings.Contains(text, "other-test-secret") {
		t.Errorf("a secret shows in %s", text)
	}
}

// content replaces the body.
func content(text string) func(*http.Request) {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
}

func TestBodiesAreShownWithoutWhatIsRedacted(t *testing.T) {
	const person = `{"event":"task","person":{"email":"a@example.com","name":"\u00dc\u202e"}}`
	for name, test := range map[string]struct {
		options, provider string
		event             event
		want              map[string]any
	}{
		"as it is": {
			"", "saltare",
			event{body: person},
			map[string]any{"body": person, "replayable": true},
		},
		"redacted": {
			"redact **.email other", "saltare",
			event{body: person},
			map[string]any{"body": strings.Replace(person, "a@example.com", "[redacted]", 1), "replayable": true},
		},
		"no text": {
			"", "saltare",
			event{body: "\xff"},
			map[string]any{"body_base64": "/w==", "replayable": true},
		},
		"empty": {
			"", "saltare",
			event{body: " ", spoil: content("")},
			map[string]any{"body": "", "replayable": true},
		},
		"no JSON, with rules": {
			"redact **.email", "saltare",
			event{body: "email=a@example.com"},
			map[string]any{"body_withheld": "it is no JSON object or array in which values could be redacted", "replayable": true},
		},
		"a token in JSON": {
			"", "aircall",
			event{provider: "aircall", body: `{"event":"call"}`, spoil: content(`{"event":"call","token":"` + testSecret + `"}`)},
			map[string]any{"body": `{"event":"call","token":"[redacted]"}`, "replayable": true},
		},
		"a token in a form": {
			"", "mattermost",
			event{provider: "mattermost", body: "text=hello", spoil: content("text=hello&token=" + testSecret)},
			map[string]any{"body": "text=hello&token=[redacted]", "replayable": true},
		},
		"too large": {
			"", "saltare",
			event{body: strings.Repeat("x", delivery.MaxWhole)},
			map[string]any{"body_withheld": notWhole},
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := newApplication(t)
			endpoint := fmt.Sprint("shown-", time.Now().UnixNano())
			site := fmt.Sprintf("verify_webhook %s {\n name %s\n secret %s\n}\nreverse_proxy APP", test.provider, endpoint, testSecret)
			g := serve(t, app, site)
			g.options = "recent {\n bodies on\n" + test.options + "\n}"
			g.load(app, site)
			g.send("/", test.event)
			number := newest(t, "?endpoint="+endpoint, 1)
			var got map[string]any
			_, text := ask(t, http.MethodGet, fmt.Sprint(DeliveriesPath, "/", number), &got)
			for _, field := range []string{"body", "body_base64", "body_withheld", "replayable"} {
				if got[field] != test.want[field] {
					t.Errorf("%s is %v, want %v", field, got[field], test.want[field])
				}
			}
			if got["endpoint"] != endpoint || strings.Contains(text, testSecret) || strings.Contains(text, "\u202e") {
				t.Errorf("it is %s", text)
			}
			if _, all := ask(t, http.MethodGet, DeliveriesPath+"?endpoint="+endpoint, new(any)); strings.Contains(all, "body") && !strings.Contains(all, "body_bytes") || strings.Contains(all, "replayable") {
				t.Errorf("the list is %s", all)
			}
		})
	}
}

// Of every provider, what is shown of a body holds no signature and no token.
func TestNoBodyShowsWhatProvesIt(t *testing.T) {
	inBody := 0
	for _, id := range catalog.IDs() {
		p, err := catalog.Lookup(id)
		if err != nil {
			t.Fatal(err)
		}
		facts, err := p.Scheme.Facts()
		if err != nil {
			t.Fatal(err)
		}
		if len(facts.Body) == 0 {
			continue
		}
		inBody++
		s := settings{scheme: p.Scheme}
		if h := s.hidden(); !h.All && len(h.JSON)+len(h.Form) == 0 {
			t.Errorf("%s hides nothing of %q", id, facts.Body)
		}
	}
	if inBody < 10 {
		t.Errorf("only %d providers have their proof in the body", inBody)
	}
}
