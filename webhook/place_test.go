package webhook

import (
	"errors"
	"testing"
)

func TestBodyPlaces(t *testing.T) {
	for _, tt := range []struct{ place, body, want string }{
		{"body id", `{"id":"evt_1"}`, "evt_1"},
		{"body id", `{"id":9007199254740993}`, "9007199254740993"},
		{"body id", `{"id":["evt_1"]}`, ""},
		{"body id|uuid", `{"uuid":"evt_1"}`, "evt_1"},
		{"body data.0.id", `{"data":[{"id":"a"},{"id":"b"}]}`, "a"},
		{"body events.#.id", `{"events":[{"id":"a"},{"id":"b"}]}`, "a,b"},
		{"body events.#.type", `{"events":[{"type":"follow"},{"type":"message"},{"type":"follow"},{}]}`, "follow,message"},
		{"body #.id", `[{"id":7},{"id":"b"}]`, "7,b"},
		{"body entry.#.changes.#.field", `{"entry":[{"changes":[{"field":"a"}]},{"changes":[{"field":"b"},{"field":"c"}]}]}`, "a,b,c"},
		{"body events.#.id", `{"events":[]}`, ""},
		{"body events.#.id", `{"events":[{"id":["a","b"]},{"id":null}]}`, "a,b"},
		{"body object+action", `{"action":"created","object":"ticket"}`, "ticket.created"},
		{"body a+b+c", `{"a":"1","c":"3"}`, "1.3"},
		{"body a+b|c", `{"c":"3"}`, "3"},
		{`body a\+b`, `{"a+b":"1"}`, ""},
		{"body #x", `{"#x":"1"}`, "1"},
	} {
		p, err := ParsePlace(tt.place)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Value(&Request{Body: []byte(tt.body)}); got != tt.want || err != nil {
			t.Errorf("%s of %s is %q, %v; want %q", tt.place, tt.body, got, err, tt.want)
		}
	}
	for _, words := range []string{"body", "body .", "body a..b", "body a+", "body +a", "body events.#", "body #", "body a|", "body a+b.#"} {
		if _, err := ParsePlace(words); !errors.Is(err, ErrScheme) {
			t.Errorf("%q: %v", words, err)
		}
	}
}
