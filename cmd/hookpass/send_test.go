package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

var arrival = time.Unix(1767225600, 0)

// run executes the command at a fixed time.
func run(args ...string) (output string, err error) {
	return runAt(func() time.Time { return arrival }, "", args...)
}

func runAt(clock func() time.Time, input string, args ...string) (output string, err error) {
	var text bytes.Buffer
	s := &send{input: strings.NewReader(input), output: &text, progress: io.Discard, now: clock}
	flags := s.flags()
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	err = s.run(flags.Args())
	return text.String(), err
}

// keys is where the tests have the private keys with which they sign.
var keys string

// keysOf returns the flags with which send signs for the provider, and the secret that
// its endpoint then has.
func keysOf(t *testing.T, p *catalog.Provider) (flags []string, secret string) {
	t.Helper()
	if p.Scheme.Key != webhook.KeyPublic {
		return []string{"--secret", p.Vectors[0].Secret}, p.Vectors[0].Secret
	}
	path := filepath.Join(keys, p.ID)
	public, err := os.ReadFile(path + ".pub")
	if errors.Is(err, fs.ErrNotExist) { // to make one of RSA takes long
		if _, err := (&send{testKey: path, progress: io.Discard}).makeKey(p.Scheme); err != nil {
			t.Fatal(err)
		}
		public, err = os.ReadFile(path + ".pub")
	}
	if err != nil {
		t.Fatal(err)
	}
	return []string{"--test-key", path}, string(public)
}

// received is a delivery at the endpoint, and what its verifier says of it.
type received struct {
	request  webhook.Request
	delivery webhook.Delivery
	err      error
}

// endpoint is a server that verifies deliveries as if each came at its time,
// and answers as hookpass would.
type endpoint struct {
	*httptest.Server
	deliveries chan received
}

func newEndpoint(t *testing.T, verifier *webhook.Verifier, clock func() time.Time) endpoint {
	t.Helper()
	e := endpoint{deliveries: make(chan received, 10)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got := received{request: webhook.Request{
			Method: r.Method,
			URL:    "http://" + r.Host + r.URL.RequestURI(),
			Path:   r.URL.EscapedPath(),
			Query:  r.URL.RawQuery,
			Header: r.Header,
			Body:   body,
		}}
		got.delivery, got.err = verifier.Verify(&got.request, clock())
		if got.err != nil {
			w.WriteHeader(http.StatusUnauthorized)
		}
		e.deliveries <- got
	}))
	t.Cleanup(e.Close)
	return e
}

// next returns the delivery that the command, now ended, has sent.
func (e endpoint) next(t *testing.T) received {
	t.Helper()
	select {
	case got := <-e.deliveries:
		return got
	default:
		t.Fatal("nothing was sent")
		return received{}
	}
}

// endpointOf returns an endpoint of the catalogue's provider at the time of
// arrival, and the flags that a genuine delivery to it needs.
func endpointOf(t *testing.T, p *catalog.Provider) (e endpoint, flags []string) {
	t.Helper()
	flags, text := keysOf(t, p)
	secret, err := webhook.ParseSecret("", text, p.Scheme.Key)
	if err != nil {
		t.Fatal(err)
	}
	with := map[string]string{}
	facts, err := p.Scheme.Facts()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range facts.Parameters {
		with[name] = "value of " + name
		flags = append(flags, "--with", name+"="+with[name])
	}
	verifier, err := webhook.NewVerifier(p.Scheme, []webhook.Secret{secret}, p.MaxAge(), with)
	if err != nil {
		t.Fatal(err)
	}
	e = newEndpoint(t, verifier, func() time.Time { return arrival })
	return e, append(flags, "--to", e.URL+"/webhooks/"+p.ID+"?from=send")
}

func lookup(t *testing.T, id string) *catalog.Provider {
	t.Helper()
	p, err := catalog.Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Crisp signs a header field of which nothing else is known.
func TestASignedHeaderFieldIsTheUsersOwn(t *testing.T) {
	p := lookup(t, "crisp")
	e, flags := endpointOf(t, p)
	if output, err := run(append(flags, "--header", "X-Crisp-Request-Timestamp: 1767225600000", p.ID)...); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if got := e.next(t); got.request.Header.Get("X-Crisp-Request-Timestamp") != "1767225600000" || got.err != nil {
		t.Errorf("%v, %v", got.request.Header, got.err)
	}
}

func TestRepeatedDeliveriesHaveOneIDAndEachItsOwnTime(t *testing.T) {
	for _, id := range []string{"saltare", "sally"} { // the id is in the body, in a header
		t.Run(id, func(t *testing.T) {
			e, flags := endpointOf(t, lookup(t, id))
			now := arrival
			clock := func() time.Time {
				now = now.Add(time.Second)
				return now
			}
			if _, err := runAt(clock, "", append(flags, "--repeat", "3", id)...); err != nil {
				t.Fatal(err)
			}
			first := e.next(t)
			if first.err != nil || first.delivery.ID == "" {
				t.Fatalf("delivery %+v, %v", first.delivery, first.err)
			}
			for i := range 2 {
				copied := e.next(t)
				if copied.err != nil || copied.delivery.ID != first.delivery.ID || !bytes.Equal(copied.request.Body, first.request.Body) {
					t.Errorf("copy %d is %+v, %v; the first was %+v", i, copied.delivery, copied.err, first.delivery)
				}
				if want := first.delivery.Timestamp.Add(time.Duration(i+1) * time.Second); !copied.delivery.Timestamp.Equal(want) {
					t.Errorf("copy %d was signed at %s, want %s", i, copied.delivery.Timestamp, want)
				}
			}
			if len(e.deliveries) > 0 {
				t.Error("more than three were sent")
			}
		})
	}
}

func TestEveryRunSendsAnotherDelivery(t *testing.T) {
	e, flags := endpointOf(t, lookup(t, "sally"))
	var ids []string
	for range 2 {
		if _, err := run(append(flags, "sally")...); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.next(t).delivery.ID)
	}
	if ids[0] == ids[1] || len(ids[0]) != 36 || ids[0][14] != '4' {
		t.Errorf("ids %q are not two random UUIDs", ids)
	}
}

// What a scheme signs of the address must be what the server sees of it.
func TestTheAddressIsSignedAsItIsSent(t *testing.T) {
	scheme := webhook.Scheme{
		Type: webhook.TypeHMAC, Algorithm: "sha256", Encoding: "hex",
		Signature: "query sig", Signed: "{method} {path}\n{body}",
	}
	whole := scheme
	whole.Signature, whole.Signed = "header X-Sig", "{method} {url} {path} {query}\n{body}"
	secret, err := webhook.ParseSecret("", "key", webhook.KeyText)
	if err != nil {
		t.Fatal(err)
	}
	for name, scheme := range map[string]webhook.Scheme{"signature in the query": scheme, "signature over the query": whole} {
		verifier, err := webhook.NewVerifier(scheme, []webhook.Secret{secret}, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := webhook.NewSigner(scheme, secret, nil)
		if err != nil {
			t.Fatal(err)
		}
		e := newEndpoint(t, verifier, time.Now)
		for _, to := range []string{"", "/", "?", "/in", "/in?a=b&c=%20+d", "/a%2Fb/é c?x={y}", "/in#part"} {
			t.Run(name+" of "+to, func(t *testing.T) {
				target, err := parseTarget(e.URL + to)
				if err != nil {
					t.Fatal(err)
				}
				d := draft{signer: signer, to: target, header: http.Header{}, body: []byte("{}")}
				r, err := d.sign(arrival)
				if err != nil {
					t.Fatal(err)
				}
				answer, err := e.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				if got := e.next(t); got.err != nil {
					t.Errorf("%s: %v", got.request.URL, got.err)
				}
			})
		}
	}
}

func TestTheExchangeIsPrinted(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "short and stout\n")
	}))
	defer server.Close()
	output, err := run("--secret", "sally-example-secret", "--to", server.URL+"/in", "--event", "alert.created", "--id", "d-1",
		"--header", "X-Note: a", "--header", "x-note:b", "--data", `{}`, "sally")
	if !errors.Is(err, errRefused) {
		t.Errorf("the command says %v", err)
	}
	want := "> POST " + server.URL + `/in
> Content-Type: application/json
> X-Note: a
> X-Note: b
> X-Sally-Delivery: d-1
> X-Sally-Event: alert.created
> X-Sally-Signature: ` + sallySignature + `
> X-Sally-Timestamp: 1767225600
< HTTP/1.1 418 I'm a teapot
short and stout

`
	if output != want {
		t.Errorf("got\n%s\nwant\n%s", output, want)
	}
}

// printf '1767225600.{}' | openssl dgst -sha256 -hmac sally-example-secret
const sallySignature = "ddea9588b1351a502c0f45cdb669ce428ed4e36d6132dc9c257b48db0676ce88"

func TestOnlyTwoHundredsAreSuccess(t *testing.T) {
	for _, tt := range []struct {
		answers []int
		want    string
	}{
		{[]int{200}, ""},
		{[]int{202, 204, 299}, ""},
		{[]int{307}, "1 of 1"}, // and not followed
		{[]int{401}, "1 of 1"},
		{[]int{200, 503, 500}, "2 of 3"},
	} {
		left := tt.answers
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(left[0])
			left = left[1:]
		}))
		_, err := run("--secret", "key", "--to", server.URL, "--repeat", string(rune('0'+len(tt.answers))), "github")
		server.Close()
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%v: %v", tt.answers, err)
		case tt.want != "" && (!errors.Is(err, errRefused) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%v: got %v, want %s", tt.answers, err, tt.want)
		case len(left) > 0:
			t.Errorf("%v: %v were not asked for", tt.answers, left)
		}
	}
}

func TestAnEndpointThatIsNotThereIsNamed(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	output, err := run("--secret", "key", "--to", server.URL+"/in", "github")
	if err == nil || errors.Is(err, errRefused) || !strings.Contains(err.Error(), "--to: ") || !strings.Contains(err.Error(), server.URL+"/in") {
		t.Errorf("got %v", err)
	}
	if lines := strings.Split(output, "\n"); !slices.Contains(lines, "> POST "+server.URL+"/in") {
		t.Errorf("the request is not printed:\n%s", output)
	}
}
