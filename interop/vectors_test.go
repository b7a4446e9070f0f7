package interop

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/internal/nodejs"
)

// bySigners is the source of the vectors that vectors.mjs can compute.
const bySigners = "computed with node:crypto"

// signing is a line that vectors.mjs reads.
type signing struct {
	Provider string            `json:"provider"`
	Secret   string            `json:"secret"`
	Keys     string            `json:"keys,omitempty"`
	With     map[string]string `json:"with,omitempty"`
	Body     string            `json:"body"`
	Time     *time.Time        `json:"time,omitempty"`
	URL      string            `json:"url,omitempty"`
	Method   string            `json:"method,omitempty"`
	ID       string            `json:"id,omitempty"`
	Event    string            `json:"event,omitempty"`
	Header   map[string]string `json:"header"` // without the signature
}

// signed is a line that vectors.mjs writes: what the provider adds.
type signed struct {
	Header map[string]string `json:"header"`
	Query  map[string]string `json:"query"`
	Body   string            `json:"body"` // only if the signature is inside
	Error  string            `json:"error"`
}

// What hookpass takes for genuine, an implementation that knows nothing of
// hookpass computes from what the provider documents.
func TestComputedVectors(t *testing.T) {
	watch(t, ".")
	watch(t, "../catalog")
	signers := nodejs.Start(t, "vectors.mjs")
	for _, id := range catalog.IDs() {
		p, err := catalog.Lookup(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range p.Vectors {
			if v.Source == bySigners {
				t.Run(id, func(t *testing.T) { testComputed(t, signers, p, v) })
			}
		}
	}
}

func testComputed(t *testing.T, signers *nodejs.Script, p *catalog.Provider, v catalog.Vector) {
	task := signing{
		Provider: p.ID, Secret: v.Secret, Keys: v.Keys, With: v.With, Body: v.Body, URL: v.URL, Method: v.Method,
		ID: v.DeliveryID, Event: v.Event, Header: unsigned(p, v),
	}
	if !v.Time.IsZero() {
		task.Time = &v.Time
	}
	var got signed
	signers.Ask(t, task, &got)
	if got.Error != "" {
		t.Fatal(got.Error)
	}

	// The signature was taken away, so that it must have come back.
	header := maps.Clone(task.Header)
	maps.Copy(header, got.Header)
	if !maps.Equal(canonical(header), canonical(v.Header)) {
		t.Errorf("the header is\n%v, but signed\n%v", v.Header, header)
	}
	address, err := url.Parse(v.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range got.Query {
		if values := address.Query()[name]; len(values) != 1 || values[0] != value {
			t.Errorf("the query's %s is %q, but signed %q", name, values, value)
		}
	}
	if got.Body != "" && got.Body != v.Body {
		t.Errorf("the body is\n%s, but signed\n%s", v.Body, got.Body)
	}
	if len(got.Header)+len(got.Query)+len(got.Body) == 0 {
		t.Error("the signer adds nothing")
	}
}

// unsigned is the vector's header without the fields of the signature.
func unsigned(p *catalog.Provider, v catalog.Vector) map[string]string {
	header := maps.Clone(v.Header)
	if where := strings.Fields(p.Scheme.Signature); len(where) > 1 && where[0] == "header" {
		for name := range strings.SplitSeq(where[1], "|") {
			maps.DeleteFunc(header, func(field, _ string) bool { return strings.EqualFold(field, name) })
		}
	}
	if header == nil {
		header = map[string]string{}
	}
	return header
}

func canonical(header map[string]string) map[string]string {
	fields := map[string]string{}
	for name, value := range header {
		fields[http.CanonicalHeaderKey(name)] = value
	}
	return fields
}
