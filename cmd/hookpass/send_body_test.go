package main

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookpass/hookpass/webhook"
)

func TestOnlyWhatIsMissingIsAddedToTheBody(t *testing.T) {
	for _, tt := range []struct {
		name, id, event, data, want string
	}{
		{"both", "body id", "body type", `{"a":1}`, `{"type":"e","id":"d","a":1}`},
		{"to an empty object", "body id", "", `{}`, `{"id":"d"}`},
		{"to an empty object with blanks", "body id", "", " {\r\n\t} \n", " {\"id\":\"d\"\r\n\t} \n"},
		{"nothing, as both are there", "body id", "body type", `{"type":"x", "id" : 7}`, `{"type":"x", "id" : 7}`},
		{"nothing, as one is in a header", "header X-Id", "body type", "{ \"type\":\"x\"}\n", "{ \"type\":\"x\"}\n"},
		{"nothing, as the scheme has neither", "", "", `no JSON`, `no JSON`},
		{"nothing, as another of its names is there", "body id|event_id", "", `{"event_id":"x"}`, `{"event_id":"x"}`},
		{"the first of its names", "body id|event_id", "", `{"a":1}`, `{"id":"d","a":1}`},
		{"into an object that is there", "", "body event.type", `{"a":{"type":"no"},"event" : { "x":[1]}}`, `{"a":{"type":"no"},"event" : {"type":"e", "x":[1]}}`},
		{"into objects that are not", "", "body a.b.c", `{"b":1}`, `{"a":{"b":{"c":"e"}},"b":1}`},
		{"into objects of which one is", "", "body a.b.c", `{"a":{}}`, `{"a":{"b":{"c":"e"}}}`},
		{"into the objects of an array", "body events.#.id", "body events.#.type", `{"events":[{"a":1},{}]}`, `{"events":[{"type":"e","id":"d","a":1},{}]}`},
		{"into an array that is not", "body data.items.0.id", "body data.items.0.type", `{}`, `{"data":{"items":[{"type":"e","id":"d"}]}}`},
		{"into a batch", "body #.id", "body #.type", `[{"a":1}]`, `[{"type":"e","id":"d","a":1}]`},
		{"as the first of several values", "body id+type", "body type", `{}`, `{"type":"e","id":"d"}`},
		{"as all of several values, of which one is the event", "body id+at+type", "body type", `{}`, `{"at":"d","type":"e","id":"d"}`},
		{"as the one of several values that is missing", "body id+at", "", `{"at":7}`, `{"id":"d","at":7}`},
		{"nothing, as all of several values are there", "body id+at", "", `{"id":"x","at":7}`, `{"id":"x","at":7}`},
		{"nothing, as one of several values is there", "", "body object+action", `{"action":"x"}`, `{"action":"x"}`},
		{"under a name with signs", "", "body a*.x#y", `{"ab":{"x#y":1}}`, `{"a*":{"x#y":"e"},"ab":{"x#y":1}}`},
		{"beside numbers and escapes as they are", "body id", "", "{\"n\":9007199254740993.10,\"s\":\"\\u00e9\\/é☕🚀<&>\",\"n\":1e400}\n", "{\"id\":\"d\",\"n\":9007199254740993.10,\"s\":\"\\u00e9\\/é☕🚀<&>\",\"n\":1e400}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body, err := bodyOf(tt.id, tt.event, "--data", tt.data)
			if err != nil || body != tt.want {
				t.Errorf("got %s, %v; want %s", body, err, tt.want)
			}
		})
	}
}

// bodyOf returns the body for a scheme with the id and the event at these places.
func bodyOf(id, event string, flags ...string) (string, error) {
	s := &send{input: strings.NewReader(`{"from":"standard input"}`)}
	if err := s.flags().Parse(flags); err != nil {
		return "", err
	}
	d := &draft{id: cmp.Or(s.id, "d"), event: cmp.Or(s.event, "e"), header: map[string][]string{"Content-Type": {jsonType}}}
	if s.header.Get("Content-Type") != "" {
		d.header = s.header
	}
	body, err := s.body(webhook.Scheme{DeliveryID: id, EventType: event}, d)
	return string(body), err
}

func TestWhatCannotBeAddedToTheBodyIsAnError(t *testing.T) {
	for _, tt := range []struct {
		name, id, event, data, says string
	}{
		{"no JSON", "body id", "", `{id:1}`, "--id: it belongs to id of the body, which is not a JSON object"},
		{"an array", "", "body type", `[]`, "--event: it belongs to type of the body, which is not a JSON object"},
		{"an object in the place of a batch", "", "body #.type", `{}`, "--event: it belongs to #.type of the body, which is not a JSON array"},
		{"nothing", "body id", "", ``, "not a JSON object"},
		{"a text in the way", "", "body event.type", `{"event":"x"}`, `--event: it belongs to event.type of the body, which has "x" at event`},
		{"a text in the way of an array", "", "body a.0.b", `{"a":"x"}`, `which has "x" at a`},
		{"null in the place", "body id", "", `{"id":null}`, `which has null at id`},
		{"an object in the place", "body id", "", `{"id":{"x":1}}`, `which has {"x":1} at id`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if body, err := bodyOf(tt.id, tt.event, "--data", tt.data); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %s, %v; want %s", body, err, tt.says)
			}
		})
	}
}

func TestAnIDOfSeveralPartsIsGivenByThem(t *testing.T) {
	for _, tt := range []struct{ id, data, want string }{
		{"7.done", `{}`, `{"status":"done","id":"7"}`},
		{"7.done", `{"id":7}`, `{"status":"done","id":7}`},
		{"7", `{"status":"done"}`, `{"id":"7","status":"done"}`},
		{"7", `{}`, `{"status":"e","id":"7"}`},
	} {
		if body, err := bodyOf("body id+status", "body status", "--id", tt.id, "--data", tt.data); err != nil || body != tt.want {
			t.Errorf("%s in %s: got %s, %v; want %s", tt.id, tt.data, body, err, tt.want)
		}
	}
	_, err := bodyOf("body id+status", "body status", "--id", "7.done", "--data", `{"status":"open"}`)
	if err == nil || !strings.Contains(err.Error(), `--id: "open" is there already, at body status: leave out one`) {
		t.Errorf("got %v", err)
	}
}

func TestAFlagThatContradictsTheBodyIsAnError(t *testing.T) {
	_, err := bodyOf("body id", "", "--id", "d", "--data", `{"id":"other"}`)
	if err == nil || !strings.Contains(err.Error(), `--id: "other" is there already, at body id: leave out one`) {
		t.Errorf("got %v", err)
	}
	if body, err := bodyOf("body id", "", "--id", "d", "--data", `{"id":"d"}`); err != nil || body != `{"id":"d"}` {
		t.Errorf("the same id twice: %s, %v", body, err)
	}
}

func TestAStaleDeliveryTakesNoTimestampFromTheBody(t *testing.T) {
	for _, id := range []string{"linear", "mailgun"} { // signed with the body, alone
		data := map[string]string{"linear": `{"webhookTimestamp":1767225600000}`, "mailgun": `{"signature":{"timestamp":"1767225600"}}`}[id]
		_, err := run("--stale", "--secret", "x", "--to", "http://localhost", "--print", "curl", "--data", data, id)
		if err == nil || !strings.Contains(err.Error(), "--stale: --data has a timestamp of its own, at ") {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestTheSampleHasTheProvidersForm(t *testing.T) {
	for _, tt := range []struct {
		scheme webhook.Scheme
		want   string
	}{
		{webhook.Scheme{}, defaultData},
		{webhook.Scheme{DeliveryID: "body id", EventType: "body events.#.type"}, defaultData},
		{webhook.Scheme{EventType: "body event|#.event"}, defaultData},
		{webhook.Scheme{EventType: "body #.type"}, defaultBatch},
		{webhook.Scheme{EventType: "body 0.type"}, defaultBatch},
		{webhook.Scheme{DeliveryID: "body #.id+#.at"}, defaultBatch},
		{webhook.Scheme{DeliveryID: "form id"}, defaultForm},
		{webhook.Scheme{Signed: "{url}{form_sorted}"}, defaultForm},
	} {
		if got := sample(tt.scheme, contentType(tt.scheme)); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.scheme, got, tt.want)
		}
	}
}

func TestABodyThatIsNotJSONIsSentAsItIs(t *testing.T) {
	const form = "command=%2Fdeploy&text=it's"
	body, err := bodyOf("body event_id", "body event.type", "--header", "content-type: application/x-www-form-urlencoded", "--data", form)
	if err != nil || body != form {
		t.Errorf("got %s, %v", body, err)
	}
}

func TestAFormGetsItsFields(t *testing.T) {
	header := []string{"--header", "content-type: application/x-www-form-urlencoded"}
	for data, want := range map[string]string{
		"a=it%27s":    "a=it%27s&id=d&type=e",
		"type=x&a=1":  "type=x&a=1&id=d",
		"id=7&type=x": "id=7&type=x",
		"":            "id=d&type=e",
		defaultData:   "test=true&id=d&type=e",
	} {
		if body, err := bodyOf("form id", "form type", append(header, "--data", data)...); err != nil || body != want {
			t.Errorf("%s: got %s, %v; want %s", data, body, err, want)
		}
	}
	for place, want := range map[string]string{"form id": formType, "body id": jsonType, "header X-Id": jsonType, "": jsonType} {
		if got := contentType(webhook.Scheme{DeliveryID: place}); got != want {
			t.Errorf("%s: %s", place, got)
		}
	}
	if got := contentType(webhook.Scheme{Signed: "{url}{form_sorted}"}); got != formType {
		t.Errorf("a signed form: %s", got)
	}
}

func TestTheBodyComesFromAFlagAFileOrStandardInput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(path, []byte("{\"from\":\"file\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string]string{
		`{"from":"flag"}`: `{"from":"flag"}`,
		"@" + path:        "{\"from\":\"file\"}\n",
		"-":               `{"from":"standard input"}`,
	} {
		if body, err := bodyOf("", "", "--data", data); err != nil || body != want {
			t.Errorf("%s: got %s, %v; want %s", data, body, err, want)
		}
	}
	if _, err := bodyOf("", "", "--data", "@"+path+".none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
