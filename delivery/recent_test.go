package delivery_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hookpass/hookpass/delivery"
)

// ids are those of what is kept, the newest first.
func ids(t *testing.T, r *delivery.Recent) []string {
	t.Helper()
	got := []string{}
	for _, fields := range read(t, r) {
		got = append(got, fields["delivery_id"].(string))
	}
	return got
}

func read(t *testing.T, r *delivery.Recent) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, kept := range r.Newest() {
		var fields map[string]any
		if err := json.Unmarshal(kept.Text, &fields); err != nil {
			t.Fatalf("%v in %s", err, kept.Text)
		}
		if fields["number"] != float64(kept.Number) {
			t.Fatalf("number %d is written %v", kept.Number, fields["number"])
		}
		if strings.ContainsFunc(string(kept.Text), breaksOut) {
			t.Fatalf("not printable: %q", kept.Text)
		}
		all = append(all, fields)
	}
	return all
}

func TestAFloodOfForgeriesDoesNotPushOutTheOthers(t *testing.T) {
	r := delivery.NewRecent(4)
	keep := func(id string, verdict delivery.Verdict) {
		r.Keep(&delivery.Record{DeliveryID: id, Verdict: verdict}, &delivery.Request{})
	}
	for i := range 3 {
		keep(fmt.Sprint("genuine ", i), delivery.VerdictForwarded)
	}
	keep("failed", delivery.VerdictFailed)
	for i := range 100 {
		keep(fmt.Sprint("forged ", i), delivery.VerdictRejected)
	}
	if got, want := ids(t, r), []string{"forged 99", "forged 98", "failed", "genuine 2"}; !slices.Equal(got, want) {
		t.Errorf("kept are %q, want %q", got, want)
	}
	r.Resize(1)
	if got, want := ids(t, r), []string{"forged 99", "failed"}; !slices.Equal(got, want) {
		t.Errorf("kept are %q in less room, want %q", got, want)
	}
	r.Resize(6)
	keep("one more", delivery.VerdictDuplicate)
	if got, want := ids(t, r), []string{"one more", "forged 99", "failed"}; !slices.Equal(got, want) {
		t.Errorf("kept are %q in more room, want %q", got, want)
	}
}

func TestWhatIsKeptIsACopyWithoutSecrets(t *testing.T) {
	r := delivery.NewRecent(2)
	header := map[string][]string{
		"Content-Type":        {"application/json"},
		"Accept":              {"text/html", "*/*"},
		"X-Event":             {"a\u2028b\x1b[2J"},
		"X-Long":              {strings.Repeat("x", 300)},
		"Authorization":       {"Bearer hunter2"},
		"Cookie":              {"hunter2"},
		"X-Gitlab-Token":      {"hunter2"},
		"X-Hub-Signature-256": {"sha256=hunter2"},
		"X-Api-Key":           {"hunter2"},
		"X-Shopify-Hmac":      {"hunter2"},
		"X-Of-The-Scheme":     {"hunter2", "hunter2"},
	}
	r.Keep(&delivery.Record{DeliveryID: "1", Verdict: delivery.VerdictRejected, Hint: "unknown: nothing"},
		&delivery.Request{Method: "POST", Path: "/hooks", Header: header, Masked: map[string]bool{"X-Of-The-Scheme": true}})
	clear(header)

	want := map[string]any{
		"number": 1., "delivery_id": "1", "verdict": "rejected", "hint": "unknown: nothing", "method": "POST", "path": "/hooks",
		"header": map[string]any{
			"Content-Type": []any{"application/json"}, "Accept": []any{"text/html", "*/*"},
			"X-Event": []any{"a\ufffdb\x1b[2J"}, "X-Long": []any{strings.Repeat("x", 256) + "…"},
			"Authorization": []any{"…"}, "Cookie": []any{"…"}, "X-Gitlab-Token": []any{"…"}, "X-Hub-Signature-256": []any{"…"},
			"X-Api-Key": []any{"…"}, "X-Shopify-Hmac": []any{"…"}, "X-Of-The-Scheme": []any{"…", "…"},
		},
	}
	if got := read(t, r)[0]; !maps.EqualFunc(got, want, reflect.DeepEqual) {
		t.Errorf("kept is\n%v\nwant\n%v", got, want)
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	large := map[string][]string{}
	for i := range 1000 {
		large[fmt.Sprint("X-", i)] = []string{strings.Repeat("\x00", 1000)} // each is written as \u0000
	}
	r := delivery.NewRecent(1 << 20)
	for range 500 {
		r.Keep(&delivery.Record{}, &delivery.Request{Header: large})
	}
	size := 0
	for _, kept := range r.Newest() {
		size += len(kept.Text)
	}
	if size < 3<<20 || size > 4<<20 {
		t.Errorf("%d bytes are kept, want 4 MiB at most", size)
	}
	if read(t, r)[0]["header_cut"] != true {
		t.Errorf("nothing says that header fields are left out")
	}
}

func TestKeepersAndReadersDoNotDisturbEachOther(t *testing.T) {
	r := delivery.NewRecent(20)
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for range 100 {
				r.Keep(&delivery.Record{DeliveryID: "id"}, &delivery.Request{Method: "POST", Whole: &delivery.Whole{Body: []byte("body")}})
				wholes(r)
				r.KeepWhole(true)
				r.Resize(20)
			}
		})
	}
	running.Wait()
	if got := ids(t, r); len(got) != 10 {
		t.Errorf("%d are kept, want 10", len(got))
	}
	if got := r.Newest()[0].Number; got != 400 {
		t.Errorf("the newest has number %d, want 400", got)
	}
}

func TestWhoWaitsIsToldOfWhatCameMeanwhile(t *testing.T) {
	r := delivery.NewRecent(4)
	verdicts := []delivery.Verdict{delivery.VerdictRejected, delivery.VerdictForwarded, delivery.VerdictForwarded, delivery.VerdictRejected}
	for _, v := range verdicts {
		r.Keep(&delivery.Record{Verdict: v}, &delivery.Request{})
	}
	numbers := func(all []delivery.Kept) (n []uint64) {
		for _, k := range all {
			n = append(n, k.Number)
		}
		return n
	}
	all, _ := r.After(1)
	if got := numbers(all); !slices.Equal(got, []uint64{2, 3, 4}) {
		t.Errorf("after the first come %d", got)
	}
	none, more := r.After(r.Last())
	if len(none) > 0 {
		t.Errorf("after the last come %d", numbers(none))
	}
	select {
	case <-more:
		t.Error("more are announced before they come")
	default:
	}
	r.Keep(&delivery.Record{}, &delivery.Request{})
	<-more
	if all, _ := r.After(4); !slices.Equal(numbers(all), []uint64{5}) {
		t.Errorf("then comes %d", numbers(all))
	}
}

func whole(size int) *delivery.Request {
	return &delivery.Request{Whole: &delivery.Whole{Body: make([]byte, size)}}
}

// wholes are the numbers of those that are kept whole, the newest first.
func wholes(r *delivery.Recent) (numbers []uint64) {
	for _, kept := range r.Newest() {
		if kept.Whole != nil {
			numbers = append(numbers, kept.Number)
		}
	}
	return numbers
}

func TestDeliveriesAreKeptWholeOnlyWhereTheyShallBe(t *testing.T) {
	r := delivery.NewRecent(20)
	r.Keep(&delivery.Record{}, whole(1))
	if got := wholes(r); len(got) != 0 {
		t.Errorf("kept whole at first: %d", got)
	}
	r.KeepWhole(true)
	body, header := []byte("body"), map[string][]string{"X-Large": {strings.Repeat("x", delivery.MaxWhole-100)}}
	for _, w := range []*delivery.Whole{
		{Body: body},
		{Body: make([]byte, delivery.MaxWhole)},
		{Body: make([]byte, delivery.MaxWhole+1)},
		{Header: header},
		{Header: header, Body: make([]byte, 100)},
	} {
		r.Keep(&delivery.Record{}, &delivery.Request{Whole: w})
	}
	if got, want := wholes(r), []uint64{5, 3, 2}; !slices.Equal(got, want) {
		t.Errorf("kept whole are %d, want %d", got, want)
	}
	copy(body, "gone")
	if got := r.Newest()[4].Whole.Body; string(got) != "body" {
		t.Errorf("the body has become %q", got)
	}
	r.KeepWhole(false)
	r.KeepWhole(true)
	if got := wholes(r); len(got) != 0 || len(r.Newest()) != 6 {
		t.Errorf("kept whole are %d of %d, want none of 6", got, len(r.Newest()))
	}
}

// What is too much goes from the oldest ones of its half, which are kept otherwise.
func TestWhatIsKeptWholeIsBounded(t *testing.T) {
	r := delivery.NewRecent(400)
	r.KeepWhole(true)
	r.Keep(&delivery.Record{Verdict: delivery.VerdictForwarded}, whole(1000))
	const most = 16 << 20 / delivery.MaxWhole
	for range most + 10 {
		r.Keep(&delivery.Record{Verdict: delivery.VerdictRejected}, whole(delivery.MaxWhole))
	}
	if got := wholes(r); len(got) != most+1 || got[0] != most+11 || got[most] != 1 || len(r.Newest()) != most+11 {
		t.Errorf("kept whole are %d of %d, want the newest %d of the rejected ones and the other", got, len(r.Newest()), most)
	}
	for range 300 { // the others go with their number
		r.Keep(&delivery.Record{Verdict: delivery.VerdictRejected}, whole(1))
	}
	if got := wholes(r); len(got) != 201 {
		t.Errorf("%d are kept whole, want 201", len(got))
	}
	for range most + 10 {
		r.Keep(&delivery.Record{Verdict: delivery.VerdictRejected}, whole(delivery.MaxWhole))
	}
	if got := wholes(r); len(got) != most+1 {
		t.Errorf("%d are kept whole, want %d", len(got), most+1)
	}
}
