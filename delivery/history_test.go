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
	want := []delivery.Minute{second, minute("11:00:00", counts{"busy": 1})}
	if got := h.LastHour(at("11:00:20")); !reflect.DeepEqual(got, want) {
		t.Errorf("an hour later it is %v, want %v", got, want)
	}
}

// A machine may begin in 1970, be set right, and be set back: each time the
// deliveries count that come next.
func TestHistoryGoesOnAfterAStepOfTheClock(t *testing.T) {
	var h delivery.History
	for _, now := range []time.Time{
		time.Unix(1000, 0), time.Unix(1767225600, 0), time.Unix(1767225600+7*24*3600, 0), time.Unix(1767225600+60, 0),
	} {
		h.Add(delivery.VerdictForwarded, now)
		got := h.LastHour(now)
		want := delivery.Minute{now.Truncate(time.Minute).UTC(), map[delivery.Verdict]uint64{"forwarded": 1}}
		if len(got) == 0 || !reflect.DeepEqual(got[len(got)-1], want) {
			t.Errorf("at %v the last hour is %v, want %v at its end", now, got, want)
		}
	}
}
