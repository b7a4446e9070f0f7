package caddymodule

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(panicking{})
	httpcaddyfile.RegisterHandlerDirective("test_panic", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return panicking{}, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("test_panic", httpcaddyfile.Before, "reverse_proxy")
}

// panicking is an application inside Caddy that panics while it is told to.
type panicking struct{}

var panics atomic.Bool

func (panicking) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_panic", New: func() caddy.Module { return new(panicking) }}
}

func (panicking) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if panics.Load() {
		panic(http.ErrAbortHandler)
	}
	return next.ServeHTTP(w, r)
}

// No directive of a site answers an unverified request before we do.
func TestNoDirectiveBypasses(t *testing.T) {
	for _, directive := range []string{
		"respond hello 200",
		"error 418",
		"handle {\n respond hello\n }",
		"handle_path /* {\n respond hello\n }",
		"route {\n respond hello\n }",
		"redir https://example.com",
		"header X-A b\n respond hello",
		"request_header X-Saltare-Signature x\n respond hello",
		"rewrite * /other\n respond hello",
		"basic_auth {\n a $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n }\n respond hello",
		"abort",
		"metrics",
	} {
		t.Run(strings.Fields(directive)[0], func(t *testing.T) {
			g := serve(t, nil, "verify_webhook saltare "+testSecret+"\n"+directive)
			g.send("/", event{secret: "guess"}).wants(t, 401, invalidBody)
		})
	}
}

// dial sends raw bytes and returns a reader of what comes back.
func (g *gate) dial(text string) (net.Conn, *bufio.Reader) {
	g.Helper()
	conn, err := net.Dial("tcp", g.address)
	if err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		g.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func (g *gate) head(r *http.Request, extra string) string {
	g.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s", g.address, r.ContentLength, extra)
	if err := r.Header.Write(&b); err != nil {
		g.Fatal(err)
	}
	return b.String() + "\r\n"
}

func TestForgedBodyIsNotAskedFor(t *testing.T) {
	g := serve(t, newApplication(t), saltareSite)
	forged := g.request("/", event{spoil: drop("X-Saltare-Signature")})
	_, answer := g.dial(g.head(forged, "Expect: 100-continue\r\n"))
	if line, err := answer.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 401 ") {
		t.Errorf("answered %q, %v before the body", line, err)
	}
}

// A new connection costs more than a refusal: one that needs no reading goes on.
func TestARefusedSenderKeepsItsConnection(t *testing.T) {
	g := serve(t, newApplication(t), saltareSite)
	var text strings.Builder
	for _, e := range []event{{spoil: drop("X-Saltare-Signature")}, {secret: "guess"}, {spoil: drop("X-Saltare-Timestamp")}, {id: "genuine"}} {
		r := g.request("/", e)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(g.head(r, "") + string(body))
	}
	_, answers := g.dial(text.String())
	for _, want := range []int{401, 401, 401, 200} {
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if answer.StatusCode != want || answer.Close {
			t.Errorf("answered %d, and closes: %v", answer.StatusCode, answer.Close)
		}
	}
}

// Trailers come behind the body: what we removed from the header must not come
// back there, and in monitor mode the body is passed on unread.
func TestTrailersDoNotSpeakForUs(t *testing.T) {
	for _, mode := range []string{"enforce", "monitor"} {
		app := newApplication(t)
		trailers := make(chan http.Header, 1)
		app.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			trailers <- r.Trailer
		})
		g := serve(t, app, "verify_webhook saltare "+testSecret+" {\n mode "+mode+"\n}\nreverse_proxy APP")
		e := event{id: "1"}
		if mode == "monitor" {
			e.spoil = drop("X-Saltare-Signature")
		}
		r := g.request("/", e)
		body, _ := io.ReadAll(r.Body)
		var head strings.Builder
		fmt.Fprintf(&head, "POST / HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\nTrailer: Hookpass-Verified\r\n", g.address)
		_ = r.Header.Write(&head)
		_, answer := g.dial(fmt.Sprintf("%s\r\n%x\r\n%s\r\n0\r\nHookpass-Verified: signature\r\n\r\n", head.String(), len(body), body))
		if line, err := answer.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 200 ") {
			t.Fatalf("%s: answered %q, %v", mode, line, err)
		}
		if got := <-trailers; len(got) != 0 {
			t.Errorf("%s: the application got the trailer %v", mode, got)
		}
	}
}

// What a token proves is not whole because the stream is over: not every server looks.
func TestABodyIsAsLongAsAnnounced(t *testing.T) {
	for _, announced := range []int64{-1, 0, 3, 4, 5} {
		r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(strings.NewReader("body")))
		r.ContentLength = announced
		b := new(body)
		err := b.read(httptest.NewRecorder(), r, 1<<20, time.Now().Add(time.Minute))
		b.release() // the budget is the process's
		if is := err == nil; is != (announced == -1 || announced == 4) || err != nil && !errors.Is(err, errBodyUnreadable) {
			t.Errorf("%d announced: %v", announced, err)
		}
	}
}

func TestExpectedBodyIsAskedForOnce(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	r := g.request("/", event{id: "1"})
	body, _ := io.ReadAll(r.Body)
	conn, answer := g.dial(g.head(r, "Expect: 100-continue\r\n"))
	if line, err := answer.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("answered %q, %v", line, err)
	}
	if line, err := answer.ReadString('\n'); err != nil || line != "\r\n" {
		t.Fatalf("behind the interim answer: %q, %v", line, err)
	}
	if _, err := conn.Write(body); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(answer, r)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("answered %v, %v", resp, err)
	}
	resp.Body.Close()
	if got := app.calls()[0].header.Get("Expect"); got != "" {
		t.Errorf("the application is asked to expect %q", got)
	}
}

func TestRetriedForwardCarriesTheWholeBody(t *testing.T) {
	app := newApplication(t)
	var tries atomic.Int32
	app.answers(func(w http.ResponseWriter, _ *http.Request) {
		if tries.Add(1) <= 2 {
			panic(http.ErrAbortHandler) // closes the connection behind the request
		}
		_, _ = io.WriteString(w, "handled")
	})
	g := serve(t, app, `
	verify_webhook saltare `+testSecret+`
	reverse_proxy APP {
		lb_retries 2
		lb_retry_match {
			method POST
		}
	}
`)
	body := `{"delivery_id":"1","pad":"` + strings.Repeat("x", 200<<10) + `"}`
	g.send("/", event{body: body}).wants(t, 200, "handled")
	calls := app.calls()
	if len(calls) != 3 {
		t.Fatalf("%d attempts", len(calls))
	}
	for i, call := range calls {
		if call.body != body {
			t.Errorf("attempt %d carried %d of %d bytes", i, len(call.body), len(body))
		}
	}
	g.send("/", event{body: body}).wants(t, 200, duplicateBody)
}

// A sender with less patience than the application needs: one request reaches
// the application, and the sender's next try is told that it was handled.
func TestSenderHangingUpDoesNotCancelTheForward(t *testing.T) {
	app := newApplication(t)
	began, finish := make(chan struct{}, 8), make(chan struct{})
	var cancelled atomic.Bool
	app.answers(func(w http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		select {
		case <-finish:
		case <-r.Context().Done():
			cancelled.Store(true)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	g := serve(t, app, saltareSite)
	e := event{id: "1"}
	for range 3 {
		ctx, hangUp := context.WithCancel(t.Context())
		r := g.request("/", e).WithContext(ctx)
		done := make(chan error, 1)
		go func() {
			resp, err := client.Do(r)
			if err == nil {
				resp.Body.Close()
			}
			done <- err
		}()
		if len(app.calls()) == 0 {
			<-began
		}
		hangUp()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatalf("the sender got %v", err)
		}
	}
	close(finish)
	g.send("/", e).wants(t, 200, duplicateBody)
	if n := len(app.calls()); n != 1 || cancelled.Load() {
		t.Errorf("the application was called %d times, cancelled: %t", n, cancelled.Load())
	}
}

func TestSlowApplicationIsCutOffAndTheRetryForwarded(t *testing.T) {
	app := newApplication(t)
	release := make(chan struct{})
	defer close(release)
	app.answers(func(http.ResponseWriter, *http.Request) { <-release })
	g := serve(t, app, `
	verify_webhook saltare `+testSecret+` {
		forward_timeout 30ms
	}
	reverse_proxy APP
`)
	if a := g.send("/", event{id: "1"}); a.status != http.StatusGatewayTimeout {
		t.Errorf("answered %d", a.status)
	}
	app.status(200)
	g.send("/", event{id: "1"}).wants(t, 200, "")
}

func TestUnreachableApplicationLeavesNoTrace(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, "verify_webhook saltare "+testSecret+"\nreverse_proxy "+freeAddress(t))
	if a := g.send("/", event{id: "1"}); a.status != http.StatusBadGateway {
		t.Errorf("answered %d", a.status)
	}
	g.load(app, saltareSite)
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
}

func TestPanicBehindUsLeavesNoTrace(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, "verify_webhook saltare "+testSecret+"\ntest_panic\nreverse_proxy APP")
	panics.Store(true)
	if resp, err := client.Do(g.request("/", event{id: "1"})); err == nil {
		resp.Body.Close()
		t.Errorf("answered %d", resp.StatusCode)
	}
	panics.Store(false)
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	if lines := g.lines(); lines[0]["verdict"] != "failed" || lines[1]["verdict"] != "forwarded" {
		t.Errorf("logged %v", lines)
	}
}

// The application's work is done once its status line says so, whatever becomes
// of the rest of the answer.
func TestAnswerThatBreaksOffBehindItsStatusCounts(t *testing.T) {
	app := newApplication(t)
	app.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	g := serve(t, app, saltareSite)
	if resp, err := client.Do(g.request("/", event{id: "1"})); err == nil {
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Error("the broken answer looks whole")
		}
		resp.Body.Close()
	}
	g.send("/", event{id: "1"}).wants(t, 200, duplicateBody)
}

func TestNothingBehindUsIsNoSuccess(t *testing.T) {
	g := serve(t, nil, "verify_webhook saltare "+testSecret)
	for range 2 {
		if a := g.send("/", event{id: "1"}); a.status != http.StatusBadGateway {
			t.Errorf("answered %d", a.status)
		}
	}
}

func TestCopyWaitsForTheFirst(t *testing.T) {
	app := newApplication(t)
	began, answers := make(chan struct{}, 8), make(chan int)
	app.answers(func(w http.ResponseWriter, _ *http.Request) {
		began <- struct{}{}
		w.WriteHeader(<-answers)
	})
	g := serve(t, app, `
	verify_webhook saltare `+testSecret+` {
		dedup {
			wait 1m
		}
	}
	reverse_proxy APP
`)
	results := make(chan answer, 3)
	for range 3 {
		go func() { results <- g.send("/", event{id: "1"}) }()
	}
	<-began
	answers <- 500 // the first fails, one of the others takes over
	(<-results).wants(t, 500, "")
	<-began
	answers <- 202
	got := map[int]int{}
	for range 2 {
		got[(<-results).status]++
	}
	if got[202] != 1 || got[200] != 1 {
		t.Errorf("answered %v, want 202 to the one forwarded and 200 to its copy", got)
	}
	if n := len(app.calls()); n != 2 {
		t.Errorf("the application was called %d times", n)
	}
}

func TestCopyThatDoesNotWaitIsToldToComeAgain(t *testing.T) {
	app := newApplication(t)
	began, finish := make(chan struct{}), make(chan struct{})
	app.answers(func(http.ResponseWriter, *http.Request) {
		close(began)
		<-finish
	})
	g := serve(t, app, `
	verify_webhook saltare `+testSecret+` {
		dedup {
			wait 0s
		}
	}
	reverse_proxy APP
`)
	first := make(chan answer)
	go func() { first <- g.send("/", event{id: "1"}) }()
	<-began
	a := g.send("/", event{id: "1"})
	a.wants(t, 503, `{"error":"Another copy is being handled, try again"}`)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	// One that only pretends to be a copy learns nothing and changes nothing.
	g.send("/", event{id: "1", secret: "guess"}).wants(t, 401, invalidBody)
	close(finish)
	(<-first).wants(t, 200, "")
	g.send("/", event{id: "1"}).wants(t, 200, duplicateBody)
}

func TestReloadLosesNeitherMemoryNorRequests(t *testing.T) {
	app := newApplication(t)
	began, finish := make(chan struct{}, 1), make(chan struct{})
	g := serve(t, app, saltareSite)
	g.send("/", event{id: "done"}).wants(t, 200, "handled")
	app.answers(func(w http.ResponseWriter, _ *http.Request) {
		began <- struct{}{}
		<-finish
		_, _ = io.WriteString(w, "handled late")
	})
	running := make(chan answer, 1)
	go func() { running <- g.send("/", event{id: "running"}) }()
	<-began

	// Caddy cleans the old configuration up while its request still runs.
	g.load(app, "verify_webhook saltare "+testSecret+" {\n events done\n}\nrespond \"second generation\"")
	g.send("/", event{id: "done", event: "done"}).wants(t, 200, duplicateBody)
	g.send("/", event{id: "new", event: "other"}).wants(t, 200, ignoredBody)
	copied := make(chan answer, 1)
	go func() { copied <- g.send("/", event{id: "running", event: "done"}) }()
	close(finish)
	(<-running).wants(t, 200, "handled late")
	(<-copied).wants(t, 200, duplicateBody)
	if n := len(app.calls()); n != 2 {
		t.Errorf("the application was called %d times", n)
	}
	if lines := g.lines(); len(lines) != 5 {
		t.Errorf("%d of 5 lines are in the log", len(lines))
	}
}

func TestFailedReloadChangesNothing(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	for _, bad := range []string{
		"verify_webhook saltare {env.HOOKPASS_TEST_UNSET}\nreverse_proxy APP",
		"verify_webhook saltare " + testSecret + "\nreverse_proxy APP {\n health_uri bad://%zz\n lb_policy nonsense\n}",
		"verify_webhook saltare " + testSecret + "\nrespond {$NOTHING\n",
	} {
		if err := g.tryLoad(app, bad); err == nil {
			t.Fatalf("loaded %s", bad)
		}
		g.send("/", event{id: "1"}).wants(t, 200, duplicateBody)
	}
}

func TestBodyThatDoesNotArrive(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, `
	verify_webhook saltare `+testSecret+` {
		read_timeout 30ms
	}
	reverse_proxy APP
`)
	r := g.request("/", event{id: "1", body: `{"delivery_id":"1"}`})
	_, slow := g.dial(g.head(r, "") + `{"deliv`)
	if line, err := slow.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 408 ") {
		t.Errorf("a body that stops is answered %q, %v", line, err)
	}
	gone, _ := g.dial(g.head(r, "") + `{"deliv`)
	_ = gone.(*net.TCPConn).CloseWrite()
	if line, err := bufio.NewReader(gone).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 400 ") {
		t.Errorf("a body that ends early is answered %q, %v", line, err)
	}
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	for _, line := range g.lines()[:2] {
		if line["reason"] != "body_unreadable" {
			t.Errorf("logged %v", line)
		}
	}
	if n := len(app.calls()); n != 1 {
		t.Errorf("the application was called %d times", n)
	}
}

func TestBudgetOfBufferedBytes(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	buffers.setLimit(64 << 10)
	defer buffers.setLimit(defaultMaxBuffered)
	resp, err := client.Do(g.request("/", event{id: "1", body: strings.Repeat("x", 100<<10)}))
	for errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) { // it was refused while it was still writing
		resp, err = client.Do(g.request("/", event{id: "1", body: strings.Repeat("x", 100<<10)}))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer{resp.StatusCode, string(text), resp.Header}.wants(t, 503, `{"error":"Overloaded, try again"}`)
	if resp.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	g.send("/", event{id: "2"}).wants(t, 200, "handled")
	givesBack(t)
}

func TestUpgradeIsNotPassedOn(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	r := g.request("/", event{id: "1"})
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	g.do(r).wants(t, 200, "handled")
	if h := app.calls()[0].header; h.Get("Upgrade") != "" || h.Get("Connection") != "" {
		t.Errorf("the application got %v", h)
	}
}

// 64 copies of each of 1,000 deliveries at once, to an application that is slow
// and fails one call in five, from senders that try again until they get a 2xx.
func TestManyCopiesAreHandledOnceEach(t *testing.T) {
	const deliveries, copies = 1000, 64
	var calls atomic.Int64
	var mu sync.Mutex
	inFlight, handled := map[string]bool{}, map[string]int{}
	app := newApplication(t)
	app.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("Hookpass-Delivery")
		mu.Lock()
		if inFlight[id] {
			t.Errorf("two copies of %s are at the application", id)
		}
		inFlight[id] = true
		mu.Unlock()
		time.Sleep(time.Millisecond) // the application's own work
		failed := calls.Add(1)%5 == 0
		mu.Lock()
		defer mu.Unlock()
		delete(inFlight, id)
		if failed {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		handled[id]++
	})
	g := serve(t, app, saltareSite)
	kept := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4 * copies}}
	defer kept.CloseIdleConnections()

	send := func(header http.Header, body string) {
		for {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url("/"), strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header = header.Clone()
			resp, err := kept.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode/100 == 2 {
				return
			}
			time.Sleep(5 * time.Millisecond) // the sender's own pause before it tries again
		}
	}
	var senders sync.WaitGroup
	slots := make(chan struct{}, 4*copies)
	for n := range deliveries {
		signed := g.request("/", event{id: fmt.Sprintf("delivery-%d", n)})
		body, err := io.ReadAll(signed.Body)
		if err != nil {
			t.Fatal(err)
		}
		for range copies {
			slots <- struct{}{}
			senders.Go(func() {
				defer func() { <-slots }()
				send(signed.Header, string(body))
			})
		}
	}
	senders.Wait()
	for n := range deliveries {
		if id := fmt.Sprintf("delivery-%d", n); handled[id] != 1 {
			t.Errorf("%s was handled %d times", id, handled[id])
		}
	}
	if len(handled) != deliveries {
		t.Errorf("%d deliveries were handled", len(handled))
	}
}

// What is left of the id is that of other deliveries, too.
func TestDeliveriesThatLackAPartOfTheirIDAreNoCopies(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, "verify_webhook assemblyai "+testSecret+"\nreverse_proxy APP")
	const first, second = `{"status":"completed","n":1}`, `{"status":"completed","n":2}`
	g.send("/", event{provider: "assemblyai", body: first}).wants(t, 200, "handled")
	g.send("/", event{provider: "assemblyai", body: second}).wants(t, 200, "handled")
	g.send("/", event{provider: "assemblyai", body: second}).wants(t, 200, duplicateBody)
	if calls := app.calls(); len(calls) != 2 || calls[0].header.Get("Hookpass-Delivery") != "" {
		t.Errorf("the application got %+v", calls)
	}
}
