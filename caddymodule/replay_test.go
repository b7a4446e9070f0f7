package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hookpass/hookpass/delivery"
)

// keeping serves a site whose recent deliveries are kept with their bodies, at an
// endpoint of a name of its own: others have left theirs in the process.
func keeping(t *testing.T, app *application, settings string) (g *gate, endpoint string) {
	t.Helper()
	endpoint = fmt.Sprint("whole-", time.Now().UnixNano())
	g = serve(t, app, keepingSite(endpoint, settings))
	g.options = "recent {\n bodies on\n}"
	g.load(app, keepingSite(endpoint, settings))
	return g, endpoint
}

func keepingSite(endpoint, settings string) string {
	if settings == "" {
		settings = "secret " + testSecret
	}
	return "verify_webhook saltare {\n name " + endpoint + "\n" + settings + "\n}\nrequest_header X-Replayed {http.webhook.replayed}\nreverse_proxy APP"
}

// newest is the number of the newest delivery that the query finds, of n.
func newest(t *testing.T, query string, n int) uint64 {
	t.Helper()
	return keptDeliveries(t, query, n)[0].Number
}

func replayAt(number uint64) string { return fmt.Sprintf("%s/%d/replay", DeliveriesPath, number) }

// replayed asks for a replay, and wants its verdict.
func replayed(t *testing.T, number uint64, verdict, reason string) Replayed {
	t.Helper()
	var got Replayed
	status, text := ask(t, http.MethodPost, replayAt(number), &got)
	if status != 200 || string(got.Verdict) != verdict || string(got.Reason) != reason || got.Number <= number {
		t.Errorf("the replay is answered %d %s, want %s %s", status, text, verdict, reason)
	}
	return got
}

func TestAFailedDeliveryIsReplayed(t *testing.T) {
	app := newApplication(t)
	g, name := keeping(t, app, "")
	app.status(500)
	failed := event{id: "1", event: "task.created", body: `{"event":"task.created","delivery_id":"1","text":"Ü\u0000"}`}
	sent := g.request("/hooks/a%20b?x=1", failed)
	sent.Header.Set("X-Own", "kept")
	sent.Header.Set("Hookpass-Replay", "manual")
	g.do(sent)
	number := newest(t, "?endpoint="+name, 1)

	app.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	if got := replayed(t, number, "forwarded", ""); got.Status != 202 {
		t.Errorf("the status is %d, want the application's", got.Status)
	}
	g.send("/hooks", failed).wants(t, 200, duplicateBody) // the sender's retry
	if got := replayed(t, number, "forwarded", ""); got.Status != 202 {
		t.Errorf("the second replay has status %d", got.Status)
	}
	keptDeliveries(t, "?endpoint="+name+"&replayed=manual", 2)

	calls := app.calls()
	if len(calls) != 3 {
		t.Fatalf("the application was called %d times, want 3", len(calls))
	}
	for i, call := range calls {
		want := map[string][]string{"X-Own": {"kept"}, "Hookpass-Replay": {"manual"}, "X-Replayed": {"manual"}, "Hookpass-Delivery": {"1"}, "Hookpass-Verified": {"signature"}}
		if i == 0 {
			want["Hookpass-Replay"], want["X-Replayed"] = nil, []string{""} // nobody outside can say so
		}
		for field, values := range want {
			if got := call.header[field]; fmt.Sprint(got) != fmt.Sprint(values) {
				t.Errorf("call %d has %s %q, want %q", i, field, got, values)
			}
		}
		if call.body != failed.body || call.host != g.address || call.length != int64(len(failed.body)) {
			t.Errorf("call %d is %+v", i, call)
		}
	}
	lines := g.lines()
	for i, want := range []string{"failed <nil>", "forwarded manual", "duplicate <nil>", "forwarded manual"} {
		if got := fmt.Sprint(lines[i]["verdict"], " ", lines[i]["replayed"]); got != want {
			t.Errorf("line %d is of %s, want %s", i, got, want)
		}
	}
}

func TestWhatAWrongSecretRefusedPassesOnceItIsMended(t *testing.T) {
	app := newApplication(t)
	g, name := keeping(t, app, "secret wrong-test-secret")
	g.send("/hooks", event{id: "1", event: "task.created"}).wants(t, 401, invalidBody)
	number := newest(t, "?endpoint="+name, 1)
	replayed(t, number, "rejected", "signature_mismatch")

	g.load(app, keepingSite(name, ""))
	if got := replayed(t, number, "forwarded", ""); got.Status != 200 {
		t.Errorf("the status is %d", got.Status)
	}
	if calls := app.calls(); len(calls) != 1 || calls[0].header.Get("Hookpass-Replay") != "manual" {
		t.Errorf("the application got %+v, want one replay", calls)
	}
}

func TestAReplayLetsNothingPassThatIsNotGenuine(t *testing.T) {
	for name, test := range map[string]struct {
		provider, settings string
		event              event
		verdict, reason    string // of the replay; neither: there is none, as no body was read
	}{
		"a forgery":               {"saltare", "", event{secret: "guess"}, "rejected", "signature_mismatch"},
		"a changed body":          {"saltare", "", event{spoil: lengthen}, "rejected", "signature_mismatch"},
		"a forgery, in monitor":   {"saltare", "mode monitor", event{secret: "guess"}, "rejected", "signature_mismatch"},
		"an old one":              {"linear", "", event{provider: "linear", body: oldLinear}, "rejected", "timestamp_too_old"},
		"an old one, in monitor":  {"linear", "mode monitor", event{provider: "linear", body: oldLinear}, "rejected", "timestamp_too_old"},
		"another method":          {"saltare", "", event{spoil: method(http.MethodPut)}, "", ""},
		"unsigned, in monitor":    {"saltare", "mode monitor", event{spoil: drop("X-Saltare-Signature")}, "", ""},
		"not wanted, in monitor":  {"saltare", "mode monitor\nevents other", event{event: "task"}, "ignored", ""},
		"a handshake":             {"slack", "", event{provider: "slack", body: challenge}, "handshake", ""},
		"a handshake, in monitor": {"slack", "mode monitor", event{provider: "slack", body: challenge}, "handshake", ""},
	} {
		t.Run(name, func(t *testing.T) {
			app := newApplication(t)
			endpoint := fmt.Sprint("never-", time.Now().UnixNano())
			site := fmt.Sprintf("verify_webhook %s {\n name %s\n secret %s\n%s\n}\nreverse_proxy APP", test.provider, endpoint, testSecret, test.settings)
			g := serve(t, app, site)
			g.options = "recent {\n bodies on\n}"
			g.load(app, site)
			g.send("/", test.event)
			number := newest(t, "?endpoint="+endpoint, 1)
			before := len(app.calls())
			if test.verdict == "handshake" {
				if status, text := ask(t, http.MethodGet, fmt.Sprintf("%s/%d/diagnosis", DeliveriesPath, number), nil); status != 409 || !strings.Contains(text, "is a handshake") {
					t.Errorf("its diagnosis is answered %d %s", status, text)
				}
			}
			if test.verdict != "" {
				replayed(t, number, test.verdict, test.reason)
			} else if status, text := ask(t, http.MethodPost, replayAt(number), nil); status != 409 {
				t.Errorf("answered %d %s", status, text)
			}
			if after := len(app.calls()); after != before {
				t.Errorf("the application got %d requests more", after-before)
			}
		})
	}
}

// oldLinear says when it was signed in its body.
const oldLinear = `{"webhookTimestamp":1600000000000,"type":"Issue"}`

const challenge = `{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}`

func method(name string) func(*http.Request) { return func(r *http.Request) { r.Method = name } }

// What was fresh when it arrived is, however long ago that was, and nothing else.
func TestAReplayIsAsOldAsItWasOnArrival(t *testing.T) {
	app := newApplication(t)
	g, name := keeping(t, app, "")
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	number := newest(t, "?endpoint="+name, 1)
	long := time.Now().Add(-24 * time.Hour)
	sent := g.request("/", event{id: "2", body: `{"delivery_id":"2"}`, at: long})
	var came delivery.Whole
	for _, kept := range recents.Newest() {
		if kept.Number == number {
			came = *kept.Whole
		}
	}
	came.Header, came.Body = sent.Header, []byte(`{"delivery_id":"2"}`)
	for _, test := range []struct {
		arrived time.Time
		want    delivery.Reason
		age     time.Duration
	}{
		{long.Add(4 * time.Minute), "", 4 * time.Minute},
		{long.Add(6 * time.Minute), delivery.ReasonTimestampTooOld, 6 * time.Minute},
		{long.Add(-6 * time.Minute), delivery.ReasonTimestampTooNew, -6 * time.Minute},
		{time.Now(), delivery.ReasonTimestampTooOld, 24 * time.Hour},
	} {
		mark := &replay{by: delivery.ReplayedManual, arrived: test.arrived}
		if err := mark.send(&came); err != nil {
			t.Fatal(err)
		}
		if got := mark.record; got.Reason != test.want || got.TimestampAge.Round(time.Minute) != test.age || time.Since(got.Time) > time.Hour {
			t.Errorf("%s after it was signed, it is %+v", test.age, got)
		}
	}
	if n := len(app.calls()); n != 2 {
		t.Errorf("the application was called %d times, want twice", n)
	}
}

func TestWithoutBodiesThereIsNothingToReplay(t *testing.T) {
	app := newApplication(t)
	g, name := keeping(t, app, "")
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	whole := newest(t, "?endpoint="+name, 1)
	g.send("/", event{id: "2", spoil: drop("X-Saltare-Signature")}).wants(t, 401, invalidBody)
	head := newest(t, "?endpoint="+name, 2)
	for _, of := range []string{"replay", "diagnosis"} {
		method := map[string]string{"replay": http.MethodPost, "diagnosis": http.MethodGet}[of]
		if status, text := ask(t, method, fmt.Sprintf("%s/%d/%s", DeliveriesPath, head, of), nil); status != 409 || !strings.Contains(text, "was not read whole") {
			t.Errorf("of the head alone, %s is answered %d %s", of, status, text)
		}
		if status, text := ask(t, method, DeliveriesPath+"/0/"+of, nil); status != 404 {
			t.Errorf("of none, %s is answered %d %s", of, status, text)
		}
	}
	if status, text := ask(t, http.MethodGet, replayAt(whole), nil); status != 405 {
		t.Errorf("GET is answered %d %s", status, text)
	}

	g.options = "recent {\n bodies off\n}"
	g.load(app, keepingSite(name, ""))
	if status, text := ask(t, http.MethodPost, replayAt(whole), nil); status != 409 || !strings.Contains(text, "write bodies on into recent") {
		t.Errorf("without bodies it is answered %d %s", status, text)
	}
	var shown map[string]any
	if _, text := ask(t, http.MethodGet, fmt.Sprint(DeliveriesPath, "/", whole), &shown); shown["body"] != nil || shown["body_withheld"] != nil || shown["replayable"] != nil {
		t.Errorf("without bodies it is %s", text)
	}
	g.options = "recent {\n bodies on\n}"
	g.load(app, keepingSite(name, ""))
	if status, text := ask(t, http.MethodPost, replayAt(whole), nil); status != 409 {
		t.Errorf("what was forgotten is answered %d %s", status, text)
	}
	if n := len(app.calls()); n != 1 {
		t.Errorf("the application was called %d times, want once", n)
	}
}

func TestAReplayNeedsItsEndpointAndItsSite(t *testing.T) {
	app := newApplication(t)
	g, name := keeping(t, app, "")
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	number := newest(t, "?endpoint="+name, 1)

	g.load(app, keepingSite("another-"+name, ""))
	if status, text := ask(t, http.MethodPost, replayAt(number), nil); status != 404 || !strings.Contains(text, "no longer has") {
		t.Errorf("without the endpoint it is answered %d %s", status, text)
	}
	if status, text := ask(t, http.MethodGet, fmt.Sprintf("%s/%d/diagnosis", DeliveriesPath, number), nil); status != 404 {
		t.Errorf("without the endpoint, its diagnosis is answered %d %s", status, text)
	}
	g.load(app, "route /moved {\n"+keepingSite(name, "")+"\n}\nrespond 410")
	if status, text := ask(t, http.MethodPost, replayAt(number), nil); status != 409 || !strings.Contains(text, "they answered 410") {
		t.Errorf("without the route it is answered %d %s", status, text)
	}
	if n := len(app.calls()); n != 1 {
		t.Errorf("the application was called %d times, want once", n)
	}
}

func TestAReplayOfABrokenAnswerIsAFailure(t *testing.T) {
	app := newApplication(t)
	g, name := keeping(t, app, "")
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	number := newest(t, "?endpoint="+name, 1)
	app.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusInternalServerError)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	if got := replayed(t, number, "failed", ""); got.Status != 500 {
		t.Errorf("the status is %d", got.Status)
	}
	app.status(200)
	replayed(t, number, "forwarded", "")
}

func TestAReplayWaitsForNoCopyAtTheApplication(t *testing.T) {
	app := newApplication(t)
	g, name := keeping(t, app, "secret "+testSecret+"\ndedup {\n wait 0s\n}")
	app.status(500)
	g.send("/", event{id: "1"})
	number := newest(t, "?endpoint="+name, 1)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	app.answers(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-goOn
	})
	retried := make(chan answer)
	go func() { retried <- g.send("/", event{id: "1"}) }()
	<-arrived
	replayed(t, number, "busy", "")
	close(goOn)
	(<-retried).wants(t, 200, "")
	if n := len(app.calls()); n != 2 {
		t.Errorf("the application was called %d times, want twice", n)
	}
}

func TestAReplayIsTheRequestThatCame(t *testing.T) {
	came := &delivery.Whole{
		Method: http.MethodPost, URI: "/a%2Fb//c?x=%20&y", Proto: "HTTP/2.0", Host: "hooks.example.com", Remote: "192.0.2.1:4711",
		Local: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 443}, Secure: true, ServerName: "hooks.example.com",
		Header: map[string][]string{"X-A": {"1", "2"}}, Body: []byte("body"),
	}
	r, err := again(t.Context(), came)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || string(body) != "body" || r.ContentLength != 4 || r.GetBody != nil {
		t.Errorf("its body is %q of %d, %v", body, r.ContentLength, err)
	}
	if r.URL.RequestURI() != came.URI || r.RequestURI != came.URI || r.Host != came.Host || r.RemoteAddr != came.Remote || !r.ProtoAtLeast(2, 0) ||
		r.TLS == nil || !r.TLS.HandshakeComplete || r.TLS.ServerName != came.ServerName || r.Context().Value(http.LocalAddrContextKey) != came.Local {
		t.Errorf("it is %+v", r)
	}
	r.Header.Add("X-A", "3")
	if len(came.Header["X-A"]) != 2 {
		t.Errorf("what is kept has changed: %q", came.Header)
	}
}

// What tells of senders and clocks does not take a replay for a delivery.
func TestMetricsTellReplaysApart(t *testing.T) {
	app := newApplication(t)
	g, name := keeping(t, app, "")
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	number := newest(t, "?endpoint="+name, 1)
	before := measured(t)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); before = measured(t) { // it is kept before it counts
		if before["deliveries_total{"+name+",enforce,saltare,,forwarded}"] == 1 && before["in_flight{"+name+"}"] == 0 {
			break
		}
	}
	replayed(t, number, "forwarded", "")
	after := measured(t)
	if got := after["replays_total{"+name+",manual,forwarded}"]; got != 1 {
		t.Errorf("%v replays are counted, want 1", got)
	}
	for of, value := range after {
		if strings.Contains(of, "{"+name) && !strings.HasPrefix(of, "replays_total") && value != before[of] {
			t.Errorf("%s went from %v to %v", of, before[of], value)
		}
	}
}

func TestOneDeliveryIsDiagnosedAtATime(t *testing.T) {
	app := newApplication(t)
	g, name := keeping(t, app, "")
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	number := newest(t, "?endpoint="+name, 1)
	diagnosing <- struct{}{}
	gone, leave := context.WithCancel(t.Context())
	leave()
	r := httptest.NewRequestWithContext(gone, http.MethodGet, "/", nil)
	r.SetPathValue("number", fmt.Sprint(number))
	a := running()
	if _, err := a.answer(r, diagnoseDelivery); !errors.Is(err, context.Canceled) {
		t.Errorf("beside another one: %v", err)
	}
	<-diagnosing
}

func TestADeliveryIsDiagnosedOnDemand(t *testing.T) {
	withHints(t) // whose deliveries are kept whole, too
	app := newApplication(t)
	g, name := keeping(t, app, "")
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	accepted := newest(t, "?endpoint="+name, 1)
	g.send("/", event{id: "2", spoil: lengthen}).wants(t, 401, invalidBody)
	lengthened := newest(t, "?endpoint="+name, 2)
	g.send("/", event{id: "3", secret: "another-test-secret"}).wants(t, 401, invalidBody)
	other := newest(t, "?endpoint="+name, 3)

	diagnosed := func(number uint64, cause string) {
		t.Helper()
		var got struct {
			Cause  string
			Proven bool
		}
		if _, text := ask(t, http.MethodGet, fmt.Sprintf("%s/%d/diagnosis", DeliveriesPath, number), &got); got.Cause != cause {
			t.Errorf("%d is diagnosed as %s, want %s", number, text, cause)
		}
	}
	diagnosed(accepted, "genuine")
	diagnosed(lengthened, "body_line_end")
	diagnosed(other, "unknown")
	g.load(app, keepingSite(name, "secret "+testSecret+" old\nsecret another-test-secret new")) // as it is configured now
	diagnosed(other, "genuine")
}
