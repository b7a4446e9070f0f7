package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/hookpass/hookpass/delivery"
)

// stubAdmin answers as the admin API of a process does that has what it is told.
type stubAdmin struct {
	*testing.T
	server *httptest.Server

	kept   []string                                   // the newest first
	stream []func(http.ResponseWriter, *http.Request) // the first connection, the second …
	asked  []string

	silence time.Duration // for which it is waited
}

func newStubAdmin(t *testing.T) *stubAdmin {
	t.Helper()
	a := &stubAdmin{T: t, silence: patience}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /webhooks/deliveries", func(w http.ResponseWriter, r *http.Request) {
		a.asked = append(a.asked, "list "+r.URL.RawQuery)
		shown := a.kept
		if r.URL.Query().Get("limit") == "1" {
			shown = shown[:min(len(shown), 1)]
		}
		fmt.Fprintf(w, `{"deliveries":[%s]}`, strings.Join(shown, ","))
	})
	mux.HandleFunc("GET /webhooks/stream", func(w http.ResponseWriter, r *http.Request) {
		last := r.Header.Get("Last-Event-ID")
		a.asked = append(a.asked, strings.TrimSpace("stream after "+last+" "+r.URL.RawQuery))
		if len(a.stream) == 0 {
			http.Error(w, `{"error":"no more streams"}`, http.StatusServiceUnavailable)
			return
		}
		next := a.stream[0]
		a.stream = a.stream[1:]
		next(w, r)
	})
	a.server = httptest.NewServer(mux)
	t.Cleanup(a.server.Close)
	return a
}

func sends(events ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Join(events, "")) }
}

func hangsUpAfter(events ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Join(events, ""))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func numbered(n int, fields string) string {
	return fmt.Sprintf(`{"number":%d,"time":"2026-01-01T10:00:%02d.250Z","endpoint":"stripe"%s}`, n, n, fields)
}

func sent(n int, fields string) string {
	return fmt.Sprintf("event: delivery\nid: %d\ndata: %s\n\n", n, numbered(n, fields))
}

// tailed runs the command until it has tried to connect and slept that many times.
type tailed struct {
	output, progress bytes.Buffer
	slept            []time.Duration
	err              error
}

func (a *stubAdmin) tail(sleeps int, args ...string) *tailed {
	a.Helper()
	ctx, cancel := context.WithCancel(a.Context())
	defer cancel()
	got := new(tailed)
	c := &tail{output: &got.output, progress: &got.progress, width: func() int { return 0 }, now: func() time.Time { return arrival }, silence: a.silence}
	c.sleep = func(_ context.Context, d time.Duration) {
		got.slept = append(got.slept, d)
		if len(got.slept) == sleeps {
			cancel()
		}
	}
	flags := c.flags()
	flags.SetOutput(io.Discard)
	if got.err = flags.Parse(append([]string{"--address", a.server.Listener.Addr().String()}, args...)); got.err == nil {
		got.err = c.run(ctx)
	}
	return got
}

const (
	forwarded = `,"verdict":"forwarded","event":"charge.succeeded","delivery_id":"evt_1","status":200,"forward_ms":12`
	rejected  = `,"verdict":"rejected","reason":"signature_mismatch","hint":"body_line_end: It has a line break. Forward it."`
)

func TestTailShowsALineForEachDelivery(t *testing.T) {
	for name, tt := range map[string]struct {
		args       []string
		kept       []string
		prints     string
		asksFirst  string
		asksStream string
	}{
		"tabs": {
			nil, nil,
			"1\t2026-01-01T10:00:01.25Z\tstripe\tforwarded\tcharge.succeeded\tevt_1\t200\t12ms\t\n" +
				"2\t2026-01-01T10:00:02.25Z\tstripe\trejected signature_mismatch\t\t\t\t\tbody_line_end: It has a line break. Forward it.\n",
			"list limit=1", "stream after 0",
		},
		"JSON": {[]string{"--json"}, nil, numbered(1, forwarded) + "\n" + numbered(2, rejected) + "\n", "list limit=1", "stream after 0"},
		"filters": {
			[]string{"--json", "--endpoint", "stripe", "--verdict", "rejected", "--provider", "p", "--event", "e", "--id", "i"},
			nil,
			numbered(1, forwarded) + "\n" + numbered(2, rejected) + "\n",
			"list limit=1", "stream after 0 delivery_id=i&endpoint=stripe&event=e&provider=p&verdict=rejected",
		},
		"the newest first": {
			[]string{"--json", "-n", "2", "--event", "e"},
			[]string{numbered(9, ""), numbered(7, "")},
			numbered(7, "") + "\n" + numbered(9, "") + "\n" + numbered(1, forwarded) + "\n" + numbered(2, rejected) + "\n",
			"list event=e&limit=2", "stream after 9 event=e",
		},
		"those kept before are left out": {
			[]string{"--json"},
			[]string{numbered(9, ""), numbered(7, "")},
			numbered(1, forwarded) + "\n" + numbered(2, rejected) + "\n",
			"list limit=1", "stream after 9",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newStubAdmin(t)
			a.kept = tt.kept
			a.stream = append(a.stream, sends(":\n\n", sent(1, forwarded), "event: other\ndata: x\n\n", sent(2, rejected)))
			args := tt.args
			for i, arg := range args {
				if arg == "-n" { // the shorthand is cobra's
					args[i] = "--last"
				}
			}
			got := a.tail(1, args...)
			if got.err != nil || got.output.String() != tt.prints {
				t.Errorf("%v; it prints\n%s\nwant\n%s", got.err, got.output.String(), tt.prints)
			}
			asked := strings.Join(a.asked, "\n")
			if !strings.Contains(asked, tt.asksFirst) || a.asked[len(a.asked)-1] != tt.asksStream {
				t.Errorf("it asks\n%s", asked)
			}
		})
	}
}

// After a reload it goes on behind the last delivery, after a restart with the first
// one of the new process.
func TestTailConnectsAgain(t *testing.T) {
	a := newStubAdmin(t)
	a.kept = []string{numbered(4, "")}
	a.stream = append(a.stream, sends(sent(5, ""), sent(6, "")), hangsUpAfter(sent(7, ""), "event: delivery\nid: 8\nda"), sends(), sends(sent(3, "")))
	got := a.tail(9, "--json")
	want := numbered(5, "") + "\n" + numbered(6, "") + "\n" + numbered(7, "") + "\n" + numbered(3, "") + "\n"
	if got.err != nil || got.output.String() != want {
		t.Errorf("%v; it prints\n%s\nwant\n%s", got.err, got.output.String(), want)
	}
	asked := strings.ReplaceAll(strings.Join(a.asked, ", "), "list limit=1, ", "")
	if want := "stream after 4, stream after 6, stream after 7, stream after 7, stream after 3"; !strings.HasPrefix(asked, want) {
		t.Errorf("it asks %s, want %s", asked, want)
	}
	if told := got.progress.String(); strings.Count(told, "\n") != 1 || !strings.Contains(told, "connecting again") {
		t.Errorf("it tells %q, want one line", told)
	}
	for i, d := range got.slept {
		if want := min(shortestPause<<i, longestPause); d != want {
			t.Errorf("pause %d takes %v, want %v", i+1, d, want)
		}
	}
}

// A stream without even a comment is dead, though nobody has hung up.
func TestTailGivesUpASilentStream(t *testing.T) {
	a := newStubAdmin(t)
	a.silence = time.Millisecond
	a.stream = append(a.stream, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}, sends())
	got := a.tail(2)
	if told := got.progress.String(); got.err != nil || !strings.Contains(told, errSilent.Error()) || len(a.stream) != 0 {
		t.Errorf("%v; it tells %q", got.err, told)
	}
}

func TestTailRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		args    []string
		streams []func(http.ResponseWriter, *http.Request)
		says    string
	}{
		"no stream":        {nil, nil, "HTTP 503: no more streams"},
		"no such verdict":  {[]string{"--verdict", "reject"}, nil, "did you mean rejected?"},
		"less than none":   {[]string{"--last", "-1"}, nil, "--last -1"},
		"nobody there":     {[]string{"--address", "unix//nobody.sock"}, nil, "unix//nobody.sock"},
		"no address":       {[]string{"--address", "localhost:99999999"}, nil, "--address: "},
		"no delivery":      {nil, []func(http.ResponseWriter, *http.Request){sends("event: delivery\ndata: <html>\n\n")}, "invalid character"},
		"an endless event": {nil, []func(http.ResponseWriter, *http.Request){sends("data: " + strings.Repeat("x", longestEvent))}, errLongEvent.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			a := newStubAdmin(t)
			a.stream = tt.streams
			got := a.tail(1, tt.args...)
			if got.err == nil || !strings.Contains(got.err.Error(), tt.says) || exitCode(got.err) != exitFail || got.output.Len() > 0 {
				t.Errorf("%v does not say %q; it prints %q", got.err, tt.says, got.output.String())
			}
		})
	}
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, fmt.Errorf("write: %w", syscall.EPIPE) }

func TestTailEndsWithItsReader(t *testing.T) {
	a := newStubAdmin(t)
	a.stream = append(a.stream, sends(sent(1, "")))
	c := &tail{output: closedPipe{}, progress: io.Discard, width: func() int { return 0 }, now: time.Now, sleep: sleep, silence: patience}
	if err := c.flags().Parse([]string{"--address", a.server.Listener.Addr().String()}); err != nil {
		t.Fatal(err)
	}
	if err := c.run(t.Context()); err != nil {
		t.Error(err)
	}
}

// hostile is what a sender may write into an id.
const hostile = "\x1b[2J\x1b]0;title\x07\x9b31m\u009b31m\u202e\u2066\u200f\ufeff\u2028\r\n\t\x00\x7f\u0300日本\U000e0041\xff"

func TestTailObeysNoSender(t *testing.T) {
	id, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	id = bytes.ReplaceAll(id, []byte(`\u2028`), []byte("\u2028")) // as other encoders leave it
	fields := fmt.Sprintf(`,"verdict":"rejected","reason":%[1]s,"event":%[1]s,"delivery_id":%[1]s,"hint":%[1]s`, id)
	for name, args := range map[string][]string{"text": nil, "JSON": {"--json"}, "terminal": {"terminal"}} {
		t.Run(name, func(t *testing.T) {
			var output string
			if name == "terminal" {
				var d kept
				if err := json.Unmarshal([]byte(numbered(1, fields)), &d); err != nil {
					t.Fatal(err)
				}
				output = drawn(t, 300, true, d)
				for _, code := range []string{clearLine, endColour, colours[d.Verdict]} {
					output = strings.ReplaceAll(output, code, "")
				}
			} else {
				a := newStubAdmin(t)
				a.stream = append(a.stream, sends(sent(1, fields)))
				got := a.tail(1, args...)
				output = strings.ReplaceAll(got.output.String(), "\t", "")
			}
			if strings.ContainsFunc(output, func(r rune) bool {
				return r != '\n' && (!unicode.IsPrint(r) || r != '…' && r > '~' && name != "JSON" || unicode.Is(unicode.Cf, r))
			}) {
				t.Errorf("it prints %q", output)
			}
			if name == "JSON" {
				var d struct {
					ID string `json:"delivery_id"`
				}
				if err := json.Unmarshal([]byte(output), &d); err != nil || d.ID != strings.ToValidUTF8(hostile, "\ufffd") {
					t.Errorf("%v: it has become %q", err, d.ID)
				}
				return
			}
			if !strings.Contains(output, `\x1b[2J\x1b]0;title\a`) || strings.Count(strings.TrimSpace(output), "\n") > 1 {
				t.Errorf("it prints %q", output)
			}
		})
	}
}

func drawn(t *testing.T, width int, coloured bool, deliveries ...kept) string {
	t.Helper()
	var output bytes.Buffer
	s := newScreen(&output, io.Discard, func() int { return width })
	s.live, s.coloured = true, coloured
	for _, d := range deliveries {
		if err := s.show(&d); err != nil {
			t.Fatal(err)
		}
	}
	return output.String()
}

func decoded(t *testing.T, texts ...string) (all []kept) {
	t.Helper()
	for _, text := range texts {
		var d kept
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

func TestScreen(t *testing.T) {
	deliveries := decoded(
		t, numbered(1, forwarded), numbered(2, rejected),
		numbered(3, `,"verdict":"failed","mode":"monitor","replayed":"manual","event":"a.very.long.type.of.event","delivery_id":"0b7f1c52-6a0e-4c3b-9d0a-2f6f3f6f8a11","status":503,"forward_ms":30000`),
	)
	for width, want := range map[int]string{
		20: `
1     10:00:01Z  s…
2     10:00:02Z  s…
      body_line_en…
      It has a line
      break.
      Forward it.
3     10:00:03Z  s…
`,
		60: `
1     10:00:01Z  stripe     forwarded  charge.s…  evt_1
2     10:00:02Z  stripe     rejected…
      body_line_end: It has a line break. Forward it.
3     10:00:03Z  stripe     failed (…  a.very.l…  0b7f1c52…
`,
		80: `
1     10:00:01Z  stripe     forwarded  charge.succeeded  evt_1      200  12ms
2     10:00:02Z  stripe     rejected signat…
      body_line_end: It has a line break. Forward it.
3     10:00:03Z  stripe     failed (monito…  a.very.l…  0b7f1c52…  503  30000ms
`,
		120: `
1     10:00:01Z  stripe     forwarded  charge.succeeded  evt_1         200  12ms
2     10:00:02Z  stripe     rejected signature_mismatch
      body_line_end: It has a line break. Forward it.
3     10:00:03Z  stripe     failed (monitor) (replayed)  a.very.long.type.of.event  0b7f1c52-6a0e-4c3b-9…  503  30000ms
`,
	} {
		if got := "\n" + drawn(t, width, false, deliveries...); got != want {
			t.Errorf("%d columns:%s\nwant%s", width, got, want)
		}
	}
}

// What a verdict is told by is its name; its colour is for those who see it.
func TestScreenColours(t *testing.T) {
	deliveries := decoded(t, numbered(1, forwarded), numbered(2, rejected))
	for name, tt := range map[string]struct {
		term, noColour string
		want           bool
	}{
		"a terminal":          {"xterm", "", true},
		"NO_COLOR":            {"xterm", "1", false},
		"one that knows none": {"dumb", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TERM", tt.term)
			t.Setenv("NO_COLOR", tt.noColour)
			var output bytes.Buffer
			s := newScreen(&output, io.Discard, func() int { return 100 })
			for _, d := range deliveries {
				if err := s.show(&d); err != nil {
					t.Fatal(err)
				}
			}
			text := output.String()
			if strings.Contains(text, "\x1b[32mforwarded\x1b[0m ") != tt.want || strings.Contains(text, "\x1b[31mrejected") != tt.want || strings.Contains(text, "\x1b") != tt.want {
				t.Errorf("it draws %q", text)
			}
		})
	}
}

func TestStatusStaysBelow(t *testing.T) {
	for _, term := range []string{"xterm", "dumb"} {
		t.Run(term, func(t *testing.T) {
			t.Setenv("TERM", term)
			t.Setenv("NO_COLOR", "1")
			var output bytes.Buffer
			s := newScreen(&output, &output, func() int { return 30 })
			for _, d := range decoded(t, numbered(1, forwarded), numbered(2, "")) {
				s.setStatus(func(shown int) string { return fmt.Sprintf("%d shown, and more than has room", shown) })
				if err := s.show(&d); err != nil {
					t.Fatal(err)
				}
			}
			s.tell("told")
			s.close()
			first, second := "1     10:00:01Z  stripe     …\n", "2     10:00:02Z  stripe\n"
			want := clearLine + "0 shown, and more than has r…" + clearLine + first + "0 shown, and more than has r…" +
				clearLine + "1 shown, and more than has r…" + clearLine + second + "1 shown, and more than has r…" +
				clearLine + "told\n" + clearLine + "1 shown, and more than has r…" + clearLine
			if term == "dumb" {
				want = first + second + "told\n"
			}
			if got := output.String(); got != want {
				t.Errorf("it draws\n%q\nwant\n%q", got, want)
			}
		})
	}
}

func TestRates(t *testing.T) {
	type by = map[delivery.Verdict]float64
	var r rates
	for i, tt := range []struct {
		by     by
		shown  int
		want   string
		missed int
	}{
		{by{"forwarded": 1000}, 10, "last 0 s: no deliveries", 0},
		{by{"forwarded": 1300}, 110, "last 1 s: forwarded 300.0/s", 0}, // those of the last second may yet come
		{by{"forwarded": 1600, "rejected": 1}, 211, "last 2 s: forwarded 300.0/s, rejected 0.5/s", 99},
		{by{"forwarded": 1600, "rejected": 1}, 211, "last 3 s: forwarded 200.0/s, rejected 0.3/s", 400},
		{by{"forwarded": 1600, "rejected": 1}, 211, "last 4 s: forwarded 150.0/s, rejected 0.2/s", 400},
		{by{"forwarded": 1600, "rejected": 1}, 211, "last 5 s: forwarded 120.0/s, rejected 0.2/s", 400},
		{by{"forwarded": 1600, "rejected": 1}, 211, "last 5 s: forwarded 60.0/s, rejected 0.2/s", 400},
		{by{"forwarded": 2}, 213, "last 0 s: no deliveries", 0}, // of another process
		{by{"forwarded": 4}, 215, "last 1 s: forwarded 2.0/s", 0},
		{by{"forwarded": 4}, 215, "last 2 s: forwarded 1.0/s", 0},
		{by{}, 215, "last 0 s: no deliveries", 0},
	} {
		r.add(counts{arrival.Add(time.Duration(i) * time.Second), tt.by, tt.shown})
		if got, missed := r.String(), r.missed(); got != tt.want || missed != tt.missed {
			t.Errorf("after %d s: %q and %d missed, want %q and %d", i, got, missed, tt.want, tt.missed)
		}
	}
}

func TestReadEvents(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []event
		err        error
	}{
		{"nothing", "", nil, nil},
		{"one", "event: delivery\nid: 7\ndata: {}\n\n", []event{{"delivery", "7", "{}"}}, nil},
		{"without blanks", "event:delivery\nid:7\ndata:{}\n\n", []event{{"delivery", "7", "{}"}}, nil},
		{"CRLF", "event: delivery\r\ndata: {}\r\n\r\n", []event{{"delivery", "", "{}"}}, nil},
		{"comments", ":\n\n: hello\n\ndata: x\n:\n\n", []event{{"", "", "x"}}, nil},
		{"lines", "data: a\ndata\ndata: b\n\n", []event{{"", "", "a\n\nb"}}, nil},
		{"the id stays", "id: 1\ndata: a\n\ndata: b\n\n", []event{{"", "1", "a"}, {"", "1", "b"}}, nil},
		{"the name does not", "event: x\ndata: a\n\ndata: b\n\n", []event{{"x", "", "a"}, {"", "", "b"}}, nil},
		{"no data", "event: x\nid: 1\n\ndata: b\n\n", []event{{"", "1", "b"}}, nil},
		{"unknown fields", "retry: 1\nfoo: 2\ndata: b\n\n", []event{{"", "", "b"}}, nil},
		{"cut off", "data: a\n\ndata: b\n", []event{{"", "", "a"}}, nil},
		{"a line without an end", strings.Repeat("x", longestEvent+1), nil, errLongEvent},
		{"an event without an end", strings.Repeat("data: 0123456789\n", longestEvent/10), nil, errLongEvent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []event
			err := readEvents(strings.NewReader(tt.text), func(e event) error {
				got = append(got, e)
				return nil
			})
			if !errors.Is(err, tt.err) || fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
	failing := errors.New("the reader has had enough")
	if err := readEvents(strings.NewReader("data: a\n\ndata: b\n\n"), func(event) error { return failing }); !errors.Is(err, failing) {
		t.Error(err)
	}
}

// Whatever a server sends, an event is bounded and has no line break but between its
// data, and what is read again is the same.
func FuzzReadEvents(f *testing.F) {
	f.Add("event: delivery\nid: 7\ndata: {}\n\n")
	f.Add(":\r\n\r\ndata\ndata: b\n\nid: 1\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		var got []event
		if err := readEvents(strings.NewReader(text), func(e event) error {
			got = append(got, e)
			return nil
		}); err != nil && !errors.Is(err, errLongEvent) {
			t.Fatal(err)
		}
		var again strings.Builder
		for _, e := range got {
			if strings.Contains(e.name+e.id, "\n") || len(e.data) > longestEvent {
				t.Errorf("%q", e)
			}
			fmt.Fprintf(&again, "event: %s\nid: %s\n", e.name, e.id)
			for line := range strings.SplitSeq(e.data, "\n") {
				fmt.Fprintf(&again, "data: %s\n", line)
			}
			again.WriteString("\n")
		}
		i := 0
		err := readEvents(bufio.NewReader(strings.NewReader(again.String())), func(e event) error {
			if e != got[i] {
				t.Errorf("%q has become %q", got[i], e)
			}
			i++
			return nil
		})
		if err != nil || i != len(got) {
			t.Errorf("%v: %d of %d", err, i, len(got))
		}
	})
}
