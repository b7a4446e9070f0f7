package delivery_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/hookpass/hookpass/delivery"
)

// Whoever can reach an endpoint chooses these texts. None of them may forge a
// line or a field, drive a terminal that shows the log, or fill a disk.
func FuzzRecordLine(f *testing.F) {
	f.Add("7f9c2ba4", "task.created")
	f.Add("", "\n{\"verdict\":\"forwarded\"}\n")
	f.Add("a\",\"verdict\":\"forwarded", "\\")
	f.Add("\xff\xfe\xc3", "\u2028\u2029\u0085\u009b31m")
	f.Add(strings.Repeat("é", 200), strings.Repeat("\x80", 400))
	f.Fuzz(func(t *testing.T, id, event string) {
		line := lineOf(delivery.Record{DeliveryID: id, Event: event, Verdict: delivery.VerdictRejected})

		body, ended := strings.CutSuffix(line, "\n")
		if !ended || strings.ContainsFunc(body, breaksOut) {
			t.Fatalf("not one printable line: %q", line)
		}
		// The longest text is 256 bytes, each written as \u00XX, and an ellipsis.
		if limit := 2*(256*6+3) + 100; len(line) > limit {
			t.Fatalf("%d bytes, more than %d: %q", len(line), limit, line)
		}
		var fields map[string]string
		if err := json.Unmarshal([]byte(body), &fields); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if fields["verdict"] != "rejected" {
			t.Fatalf("the verdict became %q in %q", fields["verdict"], line)
		}
		for key, sent := range map[string]string{"delivery_id": id, "event": event} {
			logged, present := fields[key]
			if present != (sent != "") {
				t.Fatalf("%s sent as %q is logged: %v", key, sent, present)
			}
			if whole := len(sent) <= 256 && isPrintable(sent); whole && logged != sent {
				t.Fatalf("%s logged as %q, sent as %q", key, logged, sent)
			}
		}
	})
}

func breaksOut(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }

func isPrintable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, breaksOut)
}
