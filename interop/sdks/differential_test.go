package sdks

import (
	"flag"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hookpass/hookpass/webhook"
)

var (
	tries = flag.Int("tries", 20, "how many changed deliveries of each provider are judged")
	seed  = flag.Uint64("seed", 1, "of the changes")
)

// takesNothingElse changes genuine deliveries, and has the SDK judge those that
// hookpass takes all the same. Where the SDK refuses, it may be for the spelling
// alone, such as capitals in hex or a field that is there twice: what was signed, and
// when, must be what the provider has sent.
func (l *lab) takesNothingElse(t *testing.T) {
	t.Helper()
	random := rand.New(rand.NewPCG(*seed, 0))
	for range *tries {
		genuine := l.deliver(t, notes["plain"], l.own, time.Now())
		changed := *genuine
		changed.Header, changed.Body = maps.Clone(genuine.Header), slices.Clone(genuine.Body)
		how := change(random, &changed)
		is, err := l.verifier.Verify(&changed, time.Now())
		if err != nil {
			continue
		}
		refusal, _ := l.ask(t, &changed)
		was, err := l.verifier.Verify(genuine, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		same := l.content(t, &changed) == l.content(t, genuine) && changed.URL == genuine.URL && is.Timestamp.Equal(was.Timestamp)
		if refusal != "" && !same {
			t.Errorf("%s is taken, and refused by the SDK: %s\n%q\n%q\n%s", how, refusal, changed.URL, changed.Header, changed.Body)
		}
	}
}

// content is what the signature is to cover of the body.
func (l *lab) content(t *testing.T, r *webhook.Request) string {
	t.Helper()
	switch {
	case l.file.Scheme.Signed == "": // a token
		return ""
	case l.signature.kind == "form":
		form, err := url.ParseQuery(string(r.Body))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range l.signature.names {
			delete(form, name)
		}
		return form.Encode()
	default:
		return string(r.Body)
	}
}

// change makes one to three changes to a delivery, and tells which.
func change(random *rand.Rand, r *webhook.Request) string {
	var made []string
	for range 1 + random.IntN(3) {
		switch where := random.IntN(8); {
		case where == 0 && utf8.Valid(r.Body):
			text, how := edit(random, string(r.Body))
			r.Body = []byte(text)
			made = append(made, "body: "+how)
		case where == 1 && r.Query != "":
			address, _, _ := strings.Cut(r.URL, "?")
			query, how := edit(random, r.Query)
			r.URL, r.Query = address+"?"+query, query
			made = append(made, "query: "+how)
		default:
			names := slices.Sorted(maps.Keys(r.Header))
			name := names[random.IntN(len(names))]
			if name == "Content-Type" {
				continue // which is for HTTP's own reading
			}
			values := r.Header[name]
			if random.IntN(12) == 0 {
				other, _ := edit(random, values[0])
				r.Header[name] = slices.Insert(slices.Clone(values), random.IntN(2), printable(other))
				made = append(made, name+": twice")
				continue
			}
			text, how := edit(random, values[0])
			r.Header[name] = append([]string{printable(text)}, values[1:]...)
			made = append(made, name+": "+how)
		}
	}
	return strings.Join(made, ", ")
}

// printable is what HTTP makes of a field's value.
func printable(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, text)
	return strings.Trim(text, " \t")
}

// edits are what deliveries suffer on their way, and what forgers try.
var edits = []struct {
	name string
	of   func(random *rand.Rand, text string) string
}{
	{"a character changed", func(random *rand.Rand, text string) string {
		at := random.IntN(len(text))
		return text[:at] + string(alphabet[random.IntN(len(alphabet))]) + text[at+1:]
	}},
	{"a character inserted", func(random *rand.Rand, text string) string {
		at := random.IntN(len(text) + 1)
		return text[:at] + string(alphabet[random.IntN(len(alphabet))]) + text[at:]
	}},
	{"a character removed", func(random *rand.Rand, text string) string {
		at := random.IntN(len(text))
		return text[:at] + text[at+1:]
	}},
	{"cut", func(random *rand.Rand, text string) string { return text[:random.IntN(len(text))] }},
	{"its end alone", func(random *rand.Rand, text string) string { return text[random.IntN(len(text)):] }},
	{"capitals", func(_ *rand.Rand, text string) string { return strings.ToUpper(text) }},
	{"small letters", func(_ *rand.Rand, text string) string { return strings.ToLower(text) }},
	{"other alphabet of base64", func(_ *rand.Rand, text string) string { return strings.NewReplacer("+", "-", "/", "_").Replace(text) }},
	{"no padding", func(_ *rand.Rand, text string) string { return strings.TrimRight(text, "=") }},
	{"more padding", func(_ *rand.Rand, text string) string { return text + "=" }},
	{"a list of it and junk", func(_ *rand.Rand, text string) string { return text + ",x=1" }},
	{"a list of junk and it", func(_ *rand.Rand, text string) string { return "x=1," + text }},
	{"a list with blanks", func(_ *rand.Rand, text string) string { return strings.ReplaceAll(text, ",", ", ") }},
	{"a list without blanks", func(_ *rand.Rand, text string) string { return strings.ReplaceAll(text, ", ", ",") }},
	{"twice with a blank", func(_ *rand.Rand, text string) string { return text + " " + text }},
	{"a leading zero", func(_ *rand.Rand, text string) string { return "0" + text }},
	{"a plus", func(_ *rand.Rand, text string) string { return "+" + text }},
	{"a fraction", func(_ *rand.Rand, text string) string { return text + ".0" }},
	{"an exponent", func(_ *rand.Rand, text string) string { return text + "e0" }},
	{"in milliseconds", func(_ *rand.Rand, text string) string { return text + "000" }},
	{"another number", func(random *rand.Rand, text string) string {
		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return text
		}
		return strconv.FormatInt(number+random.Int64N(600)-300, 10)
	}},
	{"escaped", func(_ *rand.Rand, text string) string { return strings.ReplaceAll(text, "/", `\/`) }},
	{"a line end", func(_ *rand.Rand, text string) string { return text + "\n" }},
	{"a byte order mark", func(_ *rand.Rand, text string) string { return "\ufeff" + text }},
	{"a blank behind colons", func(_ *rand.Rand, text string) string { return strings.ReplaceAll(text, ":", ": ") }},
	{"a member twice", func(_ *rand.Rand, text string) string { return strings.Replace(text, "{", `{"id":"evt_other",`, 1) }},
}

const alphabet = "0123456789abcdefABCDEF+/=-_,.; :\"{}xyz"

func edit(random *rand.Rand, text string) (edited, how string) {
	e := edits[random.IntN(len(edits))]
	if text == "" {
		return text, "left alone"
	}
	return e.of(random, text), e.name
}
