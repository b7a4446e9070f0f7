package delivery_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hookpass/hookpass/delivery"
)

func paths(t *testing.T, texts ...string) []delivery.Path {
	t.Helper()
	var all []delivery.Path
	for _, text := range texts {
		path, err := delivery.ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, path)
	}
	return all
}

func TestValuesOfABodyAreRedacted(t *testing.T) {
	const customer = ` { "id" : 1, "data": {"object": {"email":"a@example.com", "n":1.50}} } `
	for name, test := range map[string]struct {
		paths      []string
		body, want string
	}{
		"no rule":                   {nil, "any \xff text", "any \xff text"},
		"nothing there":             {[]string{"data.email"}, `{"email":"a"}`, `{"email":"a"}`},
		"the rest is as it was":     {[]string{"data.object.email"}, customer, `{ "id" : 1, "data": {"object": {"email":"[redacted]", "n":1.50}} }`},
		"an object":                 {[]string{"data.object"}, customer, `{ "id" : 1, "data": {"object": "[redacted]"} }`},
		"of any type":               {[]string{"*"}, `{"a":null,"b":1e9,"c":[1,[2]],"d":true,"e":{}}`, `{"a":"[redacted]","b":"[redacted]","c":"[redacted]","d":"[redacted]","e":"[redacted]"}`},
		"each element":              {[]string{"items.*.card"}, `{"items":[{"card":1},{"card":{"n":2},"x":3}]}`, `{"items":[{"card":"[redacted]"},{"card":"[redacted]","x":3}]}`},
		"one element":               {[]string{"items.1"}, `{"items":[1, 2 ,3]}`, `{"items":[1, "[redacted]" ,3]}`},
		"any field":                 {[]string{"people.*.name"}, `{"people":{"x":{"name":"a"},"y":{"name":"b"}}}`, `{"people":{"x":{"name":"[redacted]"},"y":{"name":"[redacted]"}}}`},
		"of an array as the body":   {[]string{"*.email"}, `[{"email":"a"},[],{"email":"b"}]`, `[{"email":"[redacted]"},[],{"email":"[redacted]"}]`},
		"at any depth":              {[]string{"**.email"}, `{"email":1,"a":[{"email":2,"b":{"c":[[{"email":3}]]}}]}`, `{"email":"[redacted]","a":[{"email":"[redacted]","b":{"c":[[{"email":"[redacted]"}]]}}]}`},
		"at any depth below":        {[]string{"data.**.email"}, `{"email":1,"data":{"email":2,"a":{"email":3}}}`, `{"email":1,"data":{"email":"[redacted]","a":{"email":"[redacted]"}}}`},
		"depths in between":         {[]string{"a.**.b.*.c"}, `{"a":{"b":{"b":{"x":{"c":1},"c":2}}}}`, `{"a":{"b":{"b":{"x":{"c":"[redacted]"},"c":"[redacted]"}}}}`},
		"several rules":             {[]string{"a", "b.c"}, `{"a":1,"b":{"c":2,"a":3}}`, `{"a":"[redacted]","b":{"c":"[redacted]","a":3}}`},
		"one within another":        {[]string{"a", "a.b"}, `{"a":{"b":2},"c":3}`, `{"a":"[redacted]","c":3}`},
		"however a name is written": {[]string{"email"}, `{"\u0065mail":"a"}`, `{"\u0065mail":"[redacted]"}`},
		"whatever its case":         {[]string{"data.email"}, `{"Data":{"eMail":"a"}}`, `{"Data":{"eMail":"[redacted]"}}`},
		"a name with dots":          {[]string{"user.email"}, `{"user.email":1,"user":{"email":2}}`, `{"user.email":"[redacted]","user":{"email":"[redacted]"}}`},
		"below a name with dots":    {[]string{"a.b.email"}, `{"a.b":{"email":1},"x.a.b":{"email":2}}`, `{"a.b":{"email":"[redacted]"},"x.a.b":{"email":2}}`},
		"part of a name with dots":  {[]string{"user"}, `{"user.email":1}`, `{"user.email":"[redacted]"}`},
		"a name of dots":            {[]string{"a", "*.*"}, `{"..":1}`, `{"..":"[redacted]"}`},
		"any name with dots":        {[]string{"*.id"}, `{"a.b":{"id":1}}`, `{"a.b":{"id":"[redacted]"}}`},
		"names with signs":          {[]string{"@id", "#text", "a b"}, `{"@id":1,"#text":2,"a b":3}`, `{"@id":"[redacted]","#text":"[redacted]","a b":"[redacted]"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := delivery.Hidden{JSON: paths(t, test.paths...)}.Redact([]byte(test.body))
			if err != nil || string(got) != test.want {
				t.Errorf("%s became\n%s, %v; want\n%s", test.body, got, err, test.want)
			}
		})
	}
}

func TestBodiesInWhichNothingCanBeRedactedAreNotShown(t *testing.T) {
	json := delivery.Hidden{JSON: paths(t, "email")}
	for name, test := range map[string]struct {
		hidden delivery.Hidden
		body   string
		want   error
	}{
		"empty":                      {json, "", delivery.ErrNotJSON},
		"a form":                     {json, "email=a", delivery.ErrNotJSON},
		"a text":                     {json, `"email: a"`, delivery.ErrNotJSON},
		"broken off":                 {json, `{"email":"a"`, delivery.ErrNotJSON},
		"with more behind":           {json, `{"email":"a"} {"email":"b"}`, delivery.ErrNotJSON},
		"a byte order mark":          {json, "\ufeff{}", delivery.ErrNotJSON},
		"invalid UTF-8":              {json, "{\"e\xffmail\":\"a\"}", delivery.ErrNotJSON},
		"a name twice":               {json, `{"x":1,"x":2}`, delivery.ErrAmbiguous},
		"a name twice in other case": {json, `[{"x":{"a":1,"A":2}}]`, delivery.ErrAmbiguous},
		"a name twice, hidden":       {json, `{"email":{"a":1,"a":2}}`, delivery.ErrAmbiguous},
		"too deep":                   {json, strings.Repeat("[", 1001) + strings.Repeat("]", 1001), delivery.ErrAmbiguous},
		"a token":                    {delivery.Hidden{All: true}, "{}", delivery.ErrSecretWhole},
		"a form, with rules":         {delivery.Hidden{JSON: paths(t, "email"), Form: []string{"token"}}, "token=a", delivery.ErrNotJSON},
		"no form":                    {delivery.Hidden{Form: []string{"token"}}, `{"token":"a"}`, delivery.ErrNotForm},
		"a form without the field":   {delivery.Hidden{Form: []string{"token"}}, "a=b", delivery.ErrNotForm},
		"a form that is malformed":   {delivery.Hidden{Form: []string{"token"}}, "token=a&%zz=b", delivery.ErrNotForm},
		"a form by semicolons":       {delivery.Hidden{Form: []string{"token"}}, "token=a&b=c;token=d", delivery.ErrNotForm},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := test.hidden.Redact([]byte(test.body)); !errors.Is(err, test.want) || got != nil {
				t.Errorf("got %q, %v; want %v", got, err, test.want)
			}
		})
	}
}

func TestFieldsOfAFormAreMasked(t *testing.T) {
	hidden := delivery.Hidden{Form: []string{"token"}}
	got, err := hidden.Redact([]byte("a=1&token=hunter2&tok%65n=hunter2&Token=hunter2&b=%3D&token"))
	if want := "a=1&token=[redacted]&tok%65n=[redacted]&Token=[redacted]&b=%3D&token=[redacted]"; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func TestARuleThatIsNoneSaysWhatToWrite(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "write a path such as data.object.email",
		".":                            "a dot too many",
		"data.":                        "a dot too many",
		"a..b":                         "a dot too many",
		"$.data":                       "without $",
		"items[0].card":                "items.*.card",
		"items.card_*":                 "* stands for a whole name",
		"***":                          "* stands for a whole name",
		"data.**":                      "ends in **",
		"**":                           "ends in **",
		"a.**.**.b":                    "write ** once",
		strings.Repeat("a.", 32) + "a": "32 names at most",
	} {
		if _, err := delivery.ParsePath(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error is %v, want %s", text, err, want)
		}
	}
}

// Whoever can reach an endpoint chooses the body. Nothing that a rule names may be
// shown, as any reader of JSON finds it, and nothing else may change.
func FuzzRedact(f *testing.F) {
	f.Add("data.object.email", `{"data":{"object":{"email":"a","b":[1,2]}}}`)
	f.Add("items.*.card", `{"items":[{"card":1},{"card":{"n":2},"x":3}]}`)
	f.Add("**.email", `[{"email":[{"email":1}]},{"a.email":2,"\u0065mail":3}]`)
	f.Add("a.**.b", ` {"a" : {"b":{"b":null},"c":[[{"B":1e400}]]}, "":"" }`)
	f.Add("*", "[\"a\",\n\"\\ud800\"]")
	f.Fuzz(func(t *testing.T, rule, body string) {
		path, err := delivery.ParsePath(rule)
		if err != nil {
			return
		}
		got, err := delivery.Hidden{JSON: []delivery.Path{path}}.Redact([]byte(body))
		if err != nil {
			if got != nil {
				t.Fatalf("%q shows with the error %v", got, err)
			}
			return
		}
		before, after := decoded(t, []byte(body)), decoded(t, got)
		steps := strings.Split(rule, ".")
		if want := plainlyRedacted(before, nil, steps); !reflect.DeepEqual(after, want) && !strings.Contains(body, ".") && !strings.Contains(body, `\`) {
			t.Fatalf("%s redacts %s to %s, want %v", rule, body, got, want)
		}
		if shows(after, nil, steps) {
			t.Fatalf("%s shows in %s", rule, got)
		}
	})
}

func decoded(t *testing.T, text []byte) (value any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}

// leads reports whether a path is what the steps say: plainly, one name a step.
func leads(path, steps []string) bool {
	if len(steps) == 0 || len(path) == 0 {
		return len(steps) == len(path)
	}
	if steps[0] == "**" {
		return leads(path, steps[1:]) || leads(path[1:], steps)
	}
	return (steps[0] == "*" || strings.EqualFold(steps[0], path[0])) && leads(path[1:], steps[1:])
}

func plainlyRedacted(value any, path, steps []string) any {
	if len(path) > 0 && leads(path, steps) {
		return "[redacted]"
	}
	return each(value, path, func(v any, path []string) any { return plainlyRedacted(v, path, steps) })
}

// shows reports whether anything is left that the steps lead to.
func shows(value any, path, steps []string) (left bool) {
	if len(path) > 0 && leads(path, steps) {
		return value != "[redacted]"
	}
	each(value, path, func(v any, path []string) any {
		left = left || shows(v, path, steps)
		return v
	})
	return left
}

// each returns a copy of an object or array, with what f makes of its values.
func each(value any, path []string, f func(value any, path []string) any) any {
	path = slices.Clip(path)
	switch v := value.(type) {
	case map[string]any:
		made := map[string]any{}
		for name, field := range v {
			made[name] = f(field, append(path, name))
		}
		return made
	case []any:
		made := []any{}
		for i, element := range v {
			made = append(made, f(element, append(path, fmt.Sprint(i))))
		}
		return made
	default:
		return value
	}
}
