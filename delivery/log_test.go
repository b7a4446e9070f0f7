package delivery_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookpass/hookpass/delivery"
)

func TestEveryFactOfARecordIsAFieldOfItsLine(t *testing.T) {
	record := delivery.Record{
		Time:           time.Date(2026, 3, 1, 13, 4, 5, 678_901_234, time.FixedZone("CET", 3600)),
		Endpoint:       "saltare-prod",
		Provider:       "saltare",
		DeliveryID:     "7f9c2ba4",
		Event:          "task.created",
		Verdict:        delivery.VerdictRejected,
		Reason:         delivery.ReasonTimestampTooNew,
		Mode:           delivery.ModeEnforce,
		Replayed:       delivery.ReplayedManual,
		Secret:         "current",
		TimestampAge:   -1500 * time.Millisecond,
		TimestampKnown: true,
		BodyBytes:      1024,
		Verify:         12_999 * time.Nanosecond,
		Forward:        250 * time.Millisecond,
		Status:         204,
		Remote:         "192.0.2.1:4711",
		RequestID:      "0d5a2ad0",
		TraceID:        "4bf92f3577b34da6a3ce929d0e0e4736",
		Hint:           "too_new: signed in the future",
	}
	const want = `{"time":"2026-03-01T12:04:05.678Z","endpoint":"saltare-prod","provider":"saltare",` +
		`"delivery_id":"7f9c2ba4","event":"task.created","verdict":"rejected","reason":"timestamp_too_new",` +
		`"mode":"enforce","replayed":"manual","secret":"current","timestamp_age_ms":-1500,"body_bytes":1024,"verify_us":12,` +
		`"forward_ms":250,"status":204,"remote":"192.0.2.1:4711","request_id":"0d5a2ad0",` +
		`"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736",` +
		`"hint":"too_new: signed in the future"}` + "\n"
	if got := lineOf(record); got != want {
		t.Errorf("line\n%s\nwant\n%s", got, want)
	}
}

func TestUnknownFactsAreLeftOut(t *testing.T) {
	for name, test := range map[string]struct {
		record delivery.Record
		want   string
	}{
		"nothing known":        {delivery.Record{}, "{}\n"},
		"a verdict alone":      {delivery.Record{Verdict: delivery.VerdictIgnored}, `{"verdict":"ignored"}` + "\n"},
		"an age not known":     {delivery.Record{TimestampAge: time.Second}, "{}\n"},
		"an age of zero":       {delivery.Record{TimestampKnown: true}, `{"timestamp_age_ms":0}` + "\n"},
		"verified in no time":  {delivery.Record{Verify: 300 * time.Nanosecond}, `{"verify_us":0}` + "\n"},
		"forwarded in no time": {delivery.Record{Forward: 300 * time.Nanosecond}, `{"forward_ms":0}` + "\n"},
		"at a whole second":    {delivery.Record{Time: time.Unix(0, 0)}, `{"time":"1970-01-01T00:00:00.000Z"}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lineOf(test.record); got != test.want {
				t.Errorf("line %q, want %q", got, test.want)
			}
		})
	}
}

func TestSentTextStaysWithinItsField(t *testing.T) {
	for name, test := range map[string]struct{ sent, want string }{
		"as it is":                   {"alert.created", "alert.created"},
		"other scripts":              {"заказ/注文", "заказ/注文"},
		"line feed and quote":        {"a\nb\"c\\", "a\nb\"c\\"},
		"control bytes":              {"\x00\x1b[2J\x7f", "\x00\x1b[2J\x7f"},
		"invalid UTF-8":              {"a\xffb", "a\ufffdb"},
		"line breaks beyond ASCII":   {"a\u0085b\u2028c\u2029d", "a\ufffdb\ufffdc\ufffdd"},
		"terminal control in C1":     {"\u009b2J", "\ufffd2J"},
		"text that turns its order":  {"a\u202eb", "a\ufffdb"},
		"exactly as long as allowed": {strings.Repeat("x", 256), strings.Repeat("x", 256)},
		"one byte longer":            {strings.Repeat("x", 257), strings.Repeat("x", 256) + "…"},
		"a rune across the limit":    {strings.Repeat("x", 255) + "é", strings.Repeat("x", 255) + "…"},
		"long and nothing but tails": {strings.Repeat("\xa9", 300), strings.Repeat("\ufffd", 252) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			line := lineOf(delivery.Record{DeliveryID: test.sent, Event: test.sent})
			if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
				t.Fatalf("not one line: %q", line)
			}
			var got map[string]string
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatalf("%v in %q", err, line)
			}
			want := map[string]string{"delivery_id": test.want, "event": test.want}
			if !maps.Equal(got, want) {
				t.Errorf("logged %q, want %q", got, want)
			}
		})
	}
}

func TestLinesKeepTheirOrder(t *testing.T) {
	var out bytes.Buffer
	log := delivery.NewLog(&out, 3)
	for _, id := range []string{"first", "second", "third"} {
		log.Write(delivery.Record{DeliveryID: id})
	}
	log.Close()
	const want = `{"delivery_id":"first"}` + "\n" + `{"delivery_id":"second"}` + "\n" + `{"delivery_id":"third"}` + "\n"
	if out.String() != want {
		t.Errorf("wrote\n%swant\n%s", out.String(), want)
	}
}

func TestAFullQueueDropsAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStuckWriter()
		log := delivery.NewLog(w, 2)
		log.Write(delivery.Record{DeliveryID: "in the writer"})
		synctest.Wait()
		for _, id := range []string{"queued 1", "queued 2", "dropped 1", "dropped 2"} {
			log.Write(delivery.Record{DeliveryID: id})
		}
		if got := log.Dropped(); got != 2 {
			t.Errorf("%d dropped while the writer was stuck, want 2", got)
		}

		close(w.release)
		log.Close()
		if got := strings.Count(w.out.String(), "\n"); got != 3 {
			t.Errorf("%d lines once the writer went on, want 3:\n%s", got, w.out.String())
		}
		if strings.Contains(w.out.String(), "dropped") {
			t.Errorf("a dropped line was written:\n%s", w.out.String())
		}
	})
}

func TestAQueueHoldsAtLeastOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStuckWriter()
		log := delivery.NewLog(w, 0)
		log.Write(delivery.Record{DeliveryID: "in the writer"})
		synctest.Wait()
		log.Write(delivery.Record{DeliveryID: "queued"})
		if got := log.Dropped(); got != 0 {
			t.Errorf("%d dropped, want none", got)
		}
		close(w.release)
		log.Close()
	})
}

func TestABadWriterCostsItsLinesAlone(t *testing.T) {
	for name, spoil := range map[string]func() (int, error){
		"fails":  func() (int, error) { return 0, errors.New("no space left on device") },
		"panics": func() (int, error) { panic("nil logger") },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			calls := 0
			log := delivery.NewLog(writerFunc(func(p []byte) (int, error) {
				if calls++; calls == 2 {
					return spoil()
				}
				return out.Write(p)
			}), 3)
			for _, id := range []string{"before", "lost", "after"} {
				log.Write(delivery.Record{DeliveryID: id})
			}
			log.Close()

			const want = `{"delivery_id":"before"}` + "\n" + `{"delivery_id":"after"}` + "\n"
			if out.String() != want {
				t.Errorf("wrote\n%swant\n%s", out.String(), want)
			}
			if got := log.Dropped(); got != 1 {
				t.Errorf("%d dropped, want 1", got)
			}
		})
	}
}

func TestAWriteAfterCloseIsDropped(t *testing.T) {
	var out bytes.Buffer
	log := delivery.NewLog(&out, 4)
	log.Close()
	log.Close()
	log.Write(delivery.Record{DeliveryID: "late"})
	if out.Len() != 0 || log.Dropped() != 1 {
		t.Errorf("wrote %q and dropped %d, want nothing and 1", out.String(), log.Dropped())
	}
}

func TestCloseGivesUpOnAStuckWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStuckWriter()
		log := delivery.NewLog(w, 4)
		log.Write(delivery.Record{DeliveryID: "in the writer"})
		log.Write(delivery.Record{DeliveryID: "queued"})
		start := time.Now()
		log.Close()
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("Close took %v, want 5s", got)
		}

		// What was queued is still written if the writer comes back.
		close(w.release)
		log.Close()
		if got := strings.Count(w.out.String(), "\n"); got != 2 {
			t.Errorf("%d lines after the writer came back, want 2", got)
		}
	})
}

func TestEveryConcurrentWriteIsWrittenOrCounted(t *testing.T) {
	const writers, each = 8, 500
	var out bytes.Buffer
	log := delivery.NewLog(&out, 16)

	var running sync.WaitGroup
	for range writers {
		running.Go(func() {
			for i := range each {
				log.Write(delivery.Record{DeliveryID: "id", Event: "event", Status: i + 1})
				log.Dropped()
			}
		})
	}
	// Two callers close under way; what comes later counts as dropped.
	running.Go(log.Close)
	running.Go(log.Close)
	running.Wait()

	lines := 0
	for line := range bytes.Lines(out.Bytes()) {
		var record struct {
			DeliveryID string `json:"delivery_id"`
			Event      string
			Status     int
		}
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if record.DeliveryID != "id" || record.Event != "event" || record.Status < 1 || record.Status > each {
			t.Fatalf("a line of nobody's: %q", line)
		}
		lines++
	}
	if total := lines + int(log.Dropped()); total != writers*each {
		t.Errorf("%d written and %d dropped are %d, want %d", lines, log.Dropped(), total, writers*each)
	}
}

// lineOf returns what the log writes for one record.
func lineOf(record delivery.Record) string {
	var out bytes.Buffer
	log := delivery.NewLog(&out, 1)
	log.Write(record)
	log.Close()
	return out.String()
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// stuckWriter takes no line until it is released.
type stuckWriter struct {
	release chan struct{}
	out     bytes.Buffer
}

func newStuckWriter() *stuckWriter {
	return &stuckWriter{release: make(chan struct{})}
}

func (w *stuckWriter) Write(p []byte) (int, error) {
	<-w.release
	return w.out.Write(p)
}
