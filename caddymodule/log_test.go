package caddymodule

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hookpass/hookpass/delivery"
)

// A sender chooses ids and event types, which must not reach a terminal as they
// are.
func TestDeliveriesInText(t *testing.T) {
	var text bytes.Buffer
	log := delivery.NewLog(inText(&text), 1)
	log.Write(delivery.Record{
		Endpoint: "stripe", Provider: "stripe", Verdict: delivery.VerdictForwarded,
		DeliveryID: "evt\x1b[2J", Event: "charge.created",
	})
	log.Close()
	line := text.String()
	if strings.Count(line, "\n") != 1 || !strings.Contains(line, " forwarded stripe ") ||
		!strings.Contains(line, "event=charge.created") || strings.Contains(line, "\x1b") || !strings.Contains(line, "evt") {
		t.Errorf("the line is %q", line)
	}
}
