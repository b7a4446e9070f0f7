package delivery_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/hookpass/hookpass/delivery"
)

func TestHistoryCountsTheLastHourByMinute(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.TimeOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed.AddDate(2026, 0, 0)
	}
	type counts = map[delivery.Verdict]uint64
	minute := func(text string, deliveries counts) delivery.Minute { return delivery.Minute{at(text), deliveries} }

	var h delivery.History
	h.Add(delivery.VerdictForwarded, at("10:00:00"))
	h.Add(delivery.VerdictForwarded, at("10:00:59"))
	h.Add(delivery.VerdictRejected, at("10:00:30"))
	h.Add(delivery.VerdictFailed, at("10:02:00"))
	h.Add("none of the verdicts", at("10:02:00"))

	first := minute("10:00:00", counts{"forwarded": 2, "rejected": 1})
	second := minute("10:02:00", counts{"failed": 1})
	for _, c := range []struct {
		now  string
		want []delivery.Minute
	}{
		{"10:02:00", []delivery.Minute{first, second}},
		{"10:59:59", []delivery.Minute{first, second}},
		{"11:00:00", []delivery.Minute{second}},
		{"11:02:00", []delivery.Minute{}},
		{"10:01:00", []delivery.Minute{first}},
		{"09:59:00", []delivery.Minute{}},
	} {
		if got := h.LastHour(at(c.now)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("at %s the last hour is %v, want %v", c.now, got, c.want)
		}
	}

	h.Add(delivery.VerdictBusy, at("11:00:10"))
	h.Add(delivery.VerdictBusy, at("10:00:10")) // whose minute has been given away
	want := []delivery.Minute{second, minute("11:00:00", counts{"busy": 1})}
	if got := h.LastHour(at("11:00:20")); !reflect.DeepEqual(got, want) {
		t.Errorf("an hour later it is %v, want %v", got, want)
	}
}
