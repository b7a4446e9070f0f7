package webhook

import (
	"errors"
	"strings"
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

// An id that lacks one of its parts would make two events one.
func TestIDs(t *testing.T) {
	for _, tt := range []struct{ place, body, want string }{
		{"body id", `{"id":"7"}`, "7"},
		{"body id+status", `{"id":"7","status":"done"}`, "7.done"},
		{"body id+status", `{"id":"7"}`, ""},
		{"body id+status", `{"status":"done"}`, ""},
		{"body id+status", `{"id":"7","status":""}`, ""},
		{"body id+status", `{"id":"7","status":null}`, ""},
		{"body id+status", `{}`, ""},
		{"body a+b+c", `{"a":"1","b":"2","c":"3"}`, "1.2.3"},
		{"body a+b+c", `{"a":"1","c":"3"}`, ""},
		{"body a+b+c", `{"a":"1","b":"2"}`, ""},
		{"body a+b|c", `{"a":"1","c":"3"}`, "3"},
		{"body #.id+#.at", `[{"id":"1","at":2}]`, "1.2"},
		{"body #.id+#.at", `[{"id":"1"}]`, ""},
	} {
		p, err := ParseID(tt.place)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Value(&Request{Body: []byte(tt.body)}); got != tt.want || err != nil {
			t.Errorf("%s of %s is %q, %v; want %q", tt.place, tt.body, got, err, tt.want)
		}
	}
}

func TestWhatIsSetIsFound(t *testing.T) {
	for _, tt := range []struct{ place, value, body, want string }{
		{"body a.b", "x", `{"c":1}`, `{"a":{"b":"x"},"c":1}`},
		{"body events.#.id", "x", `{"c":1}`, `{"events":[{"id":"x"}],"c":1}`},
		{"body events.#.id", "x", `{"events":[ ]}`, `{"events":[{"id":"x"} ]}`},
		{"body events.#.id", "x", `{"events":[{"c":1},{}]}`, `{"events":[{"id":"x","c":1},{}]}`},
		{"body entry.#.changes.#.field", "x", `{}`, `{"entry":[{"changes":[{"field":"x"}]}]}`},
		{"body items.0.id", "x", `{"items":[{}]}`, `{"items":[{"id":"x"}]}`},
		{"body #.id", "x", `[]`, `[{"id":"x"}]`},
		{"body #.id", "x", ` [{"c":1},{"c":2}]`, ` [{"id":"x","c":1},{"c":2}]`},
		{"body object+action", "ticket.created", `{}`, `{"action":"created","object":"ticket"}`},
		{"body object+action", "ticket.created.late", `{}`, `{"action":"created.late","object":"ticket"}`},
		{"body a+b+c", "1", `{}`, `{"a":"1"}`},
		{"body #.id+#.at", "1.2", `[{}]`, `[{"at":"2","id":"1"}]`},
		{"body a.b+a.c|d", "1.2", `{}`, `{"a":{"c":"2","b":"1"}}`},
	} {
		p, err := ParsePlace(tt.place)
		if err != nil {
			t.Fatal(err)
		}
		r := &Request{Body: []byte(tt.body)}
		if err := p.Set(r, tt.value); err != nil || string(r.Body) != tt.want {
			t.Errorf("%s of %s becomes %s, %v; want %s", tt.place, tt.body, r.Body, err, tt.want)
		}
		if got, err := p.Value(r); got != tt.value || err != nil {
			t.Errorf("%s of %s is %q, %v; want %q", tt.place, r.Body, got, err, tt.value)
		}
	}
}

func TestNothingIsSetInThePlaceOfAnother(t *testing.T) {
	for _, tt := range []struct{ place, body, says string }{
		{"body id", `[]`, "it belongs to id of the body, which is not a JSON object"},
		{"body id", `{`, "which is not a JSON object"},
		{"body #.id", `{"id":1}`, "it belongs to #.id of the body, which is not a JSON array"},
		{"body events.#.id", `{"events":{"id":1}}`, `it belongs to events.#.id of the body, which has {"id":1} at events`},
		{"body events.#.id", `{"events":[null]}`, "which has null at events.0"},
		{"body event.id", `{"event":[]}`, "which has [] at event"},
		{"body a+b", `{"b":{}}`, "it belongs to b of the body, which has {} at b"},
	} {
		p, err := ParsePlace(tt.place)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Set(&Request{Body: []byte(tt.body)}, "1.2"); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s of %s: %v, want it to say %q", tt.place, tt.body, err, tt.says)
		}
	}
}
