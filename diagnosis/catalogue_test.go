package diagnosis_test

import (
	"strings"
	"testing"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/diagnosis"
	"github.com/hookpass/hookpass/webhook"
)

// The commonest mistakes are found with every provider that they can be made with,
// and a delivery that is signed with another secret is explained with none.
func TestEveryProvider(t *testing.T) {
	made := map[string]int{}
	for _, id := range catalog.IDs() {
		p := mustLookup(t, id)
		if p.Scheme.Keys != "" {
			continue // its key is its provider's alone
		}
		facts, err := p.Scheme.Facts()
		if err != nil {
			t.Fatal(err)
		}
		diagnosed := func(mistake string, mistaken func(*scene), want diagnosis.Cause) {
			t.Helper()
			s := genuine(t, id, len(p.Vectors)-1)
			mistaken(s)
			made[mistake]++
			if f := s.diagnose(); f.Cause != want || f.Proven != (want != diagnosis.Unknown) {
				t.Errorf("%s, %s: %+v", id, mistake, f)
			}
		}
		if strings.Contains(p.Scheme.Signed, "{body}") || strings.Contains(p.Scheme.Signed, ":body}") {
			diagnosed("line break behind the body", func(s *scene) { s.arrives(s.body() + "\n") }, diagnosis.BodyLineEnd)
		}
		if place := strings.Fields(p.Scheme.Signature); len(place) > 1 && place[0] == "header" && strings.Contains(place[1], "-") {
			diagnosed("underscores in the header", func(s *scene) {
				for name := range strings.SplitSeq(place[1], "|") {
					if s.header().Get(name) != "" {
						s.header()[strings.ReplaceAll(name, "-", "_")] = s.header().Values(name)
						s.header().Del(name)
					}
				}
			}, diagnosis.HeaderRenamed)
		}
		if strings.Contains(p.Scheme.Signed, "{url}") {
			diagnosed("http for https", func(s *scene) { s.arrivesAt(strings.Replace(s.delivery.Request.URL, "https:", "http:", 1)) }, diagnosis.URLScheme)
		}
		if facts.HasTimestamp && p.Scheme.Type != webhook.TypeJWT {
			diagnosed("too old", func(s *scene) { s.delivery.Received = s.delivery.Received.Add(p.MaxAge() + 1e9) }, diagnosis.TooOld)
		}
		if strings.HasPrefix(string(p.Scheme.Key), string(webhook.KeyPublic)) {
			continue
		}
		diagnosed("line break behind the secret", func(s *scene) { s.configure(s.secret + "\n") }, diagnosis.SecretBlanks)
		another := func(s *scene) { s.configure(anotherOfTheSameForm(s.secret)) }
		diagnosed("secret of another endpoint", func(s *scene) {
			other := s.endpoint
			other.Name = "other"
			s.process.Others = []diagnosis.Endpoint{other}
			another(s)
		}, diagnosis.SecretOther)
		diagnosed("unknown secret", another, diagnosis.Unknown)
	}
	for _, mistake := range []string{"line break behind the body", "underscores in the header", "line break behind the secret", "secret of another endpoint", "unknown secret"} {
		if made[mistake] < 200 {
			t.Errorf("%s: made with only %d providers", mistake, made[mistake])
		}
	}
}

// anotherOfTheSameForm changes digits of a secret that stay digits of hex and base64,
// near its end, as what stands behind its last colon may be all that counts. Where
// there are none, it is text.
func anotherOfTheSameForm(secret string) string {
	b := []byte(secret)
	for _, digits := range []string{"012345678abcde", "fghijklmnopqrstuvwxyFGHIJKLMNOPQRSTUVWXY"} {
		changed := 0
		for i := len(b) - 1; i >= 0 && changed < 4; i-- {
			if padding := len(b) - i; strings.IndexByte(digits, b[i]) >= 0 && (padding > 3 || len(b) < 10) {
				b[i]++
				changed++
			}
		}
		if changed > 0 {
			break
		}
	}
	return string(b)
}
