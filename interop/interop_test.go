// Package interop runs the hookpass binary against software that is not
// hookpass: the SDKs by which the providers themselves sign, and by which
// applications verify. What an SDK signs must pass, what "hookpass send" signs
// must be genuine to the SDK, and of what was tampered with both must think the
// same.
package interop

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookpass/hookpass/internal/nodejs"
)

// lab is what the tests share.
type lab struct {
	hookpass    binary
	gate        *gatekeeper
	application *recorder
	sdks        *nodejs.Script
}

func TestInterop(t *testing.T) {
	nodejs.Install(t, ".")
	l := &lab{hookpass: build(t), sdks: nodejs.Start(t, "sdk.mjs"), application: newRecorder(t)}
	l.gate = startGate(t, l.hookpass, l.application.URL)

	t.Run("what an SDK signs reaches the application as it is", l.testSigned)
	t.Run("what hookpass sends is genuine to the SDK and to the gate", l.testSent)
	t.Run("a copy is acknowledged and does not reach the application", l.testCopy)
	t.Run("what was tampered with is refused by the SDK and by the gate", l.testTampered)
	t.Run("what another secret signed is refused by the SDK and by the gate", l.testOtherSecret)
	t.Run("what was signed long ago is refused by the SDK and by the gate", l.testStale)
	t.Run("what is handed over signed is genuine to the application's library", l.testHandedOver)
	t.Run("the documented applications take what hookpass forwards alone", l.testDocumented)
	t.Run("the code that hookpass takes the place of, and what is left of it", l.testMigrating)
}

// bodies are sent without and with what identifies the delivery in front.
var bodies = map[string]string{
	"plain":                    `{"note":"an order"}`,
	"text beyond ASCII":        `{"note":"Zoë ☕ 🚀 Ωمرحبا"}`,
	"escapes":                  `{"note":"\u00e9 https:\/\/example.com \"quoted\" \\ \ud83d\ude80 <&>"}`,
	"blanks and a line feed":   "{ \"note\" :\t\"an order\" }\r\n\n",
	"numbers beyond a float's": `{"note":9007199254740993.10}`,
}

const (
	event = "order.paid"
	plain = `{"note":"an order"}`
	old   = 10 * time.Minute // longer than any of the providers lets pass
)

func (l *lab) testSigned(t *testing.T) {
	for _, sdk := range sdks {
		if !sdk.signs {
			continue
		}
		for name, body := range bodies {
			t.Run(sdk.name+"/"+name, func(t *testing.T) {
				l.reachesTheApplication(t, sdk, l.sign(t, sdk, sdk.secret, body, time.Now()))
			})
		}
	}
}

func (l *lab) testSent(t *testing.T) {
	for _, sdk := range sdks {
		for name, body := range bodies {
			t.Run(sdk.name+"/"+name, func(t *testing.T) {
				d := l.send(t, sdk, body)
				if !bytes.HasSuffix(d.body, []byte(body[1:])) {
					t.Errorf("sent %q, which does not end as %q", d.body, body)
				}
				if reason := l.verify(t, sdk, d); reason != "" {
					t.Errorf("the SDK refuses it: %s", reason)
				}
				l.reachesTheApplication(t, sdk, d)
			})
		}
	}
}

func (l *lab) reachesTheApplication(t *testing.T, sdk sdk, d delivery) {
	t.Helper()
	if got := l.gate.post(t, sdk.name, d); got != (outcome{Status: http.StatusOK, Verdict: "forwarded"}) {
		t.Fatalf("the gate's outcome is %+v", got)
	}
	got := l.application.next(t)
	if !bytes.Equal(got.body, d.body) {
		t.Errorf("the application got\n%q, not\n%q", got.body, d.body)
	}
	for name, want := range map[string]string{
		"Hookpass-Verified": "signature",
		"Hookpass-Provider": sdk.provider,
		"Hookpass-Event":    event,
		"Hookpass-Delivery": d.id,
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
}

func (l *lab) testCopy(t *testing.T) {
	for _, sdk := range sdks {
		t.Run(sdk.name, func(t *testing.T) {
			d := l.send(t, sdk, plain)
			l.reachesTheApplication(t, sdk, d)
			if got := l.gate.post(t, sdk.name, d); got != (outcome{Status: http.StatusOK, Verdict: "duplicate"}) {
				t.Errorf("the gate's outcome is %+v", got)
			}
			if len(l.application.deliveries) > 0 {
				t.Errorf("the application got %q", l.application.next(t).body)
			}
		})
	}
}

// tampering is something done to a genuine delivery on its way.
type tampering struct {
	name   string
	reason string
	does   func(d *delivery, sdk sdk)
}

var tamperings = []tampering{
	{"a byte of the body changed", "signature_mismatch", func(d *delivery, _ sdk) {
		d.body[bytes.Index(d.body, []byte("note"))] ^= 1
	}},
	{"a line feed added", "signature_mismatch", func(d *delivery, _ sdk) {
		d.body = append(d.body, '\n')
	}},
	{"a digit of the signature changed", "signature_mismatch", func(d *delivery, sdk sdk) {
		value := []byte(d.header.Get(sdk.signature))
		digit := &value[len(value)-10]
		if *digit == '0' {
			*digit = '1'
		} else {
			*digit = '0'
		}
		d.header.Set(sdk.signature, string(value))
	}},
	{"the signature removed", "signature_missing", func(d *delivery, sdk sdk) {
		d.header.Del(sdk.signature)
	}},
}

func (l *lab) testTampered(t *testing.T) {
	for _, sdk := range sdks {
		for _, tampering := range tamperings {
			tampered := func(by string, d delivery) {
				t.Run(sdk.name+"/"+by+"/"+tampering.name, func(t *testing.T) {
					tampering.does(&d, sdk)
					l.isRefused(t, sdk, d, tampering.reason)
				})
			}
			tampered("sent by hookpass", l.send(t, sdk, plain))
			if sdk.signs {
				tampered("signed by the SDK", l.sign(t, sdk, sdk.secret, plain, time.Now()))
			}
		}
	}
}

func (l *lab) testOtherSecret(t *testing.T) {
	for _, sdk := range sdks {
		t.Run(sdk.name+"/sent by hookpass", func(t *testing.T) {
			l.isRefused(t, sdk, l.send(t, sdk, plain, "--secret", sdk.other), "signature_mismatch")
		})
		t.Run(sdk.name+"/forged by hookpass", func(t *testing.T) {
			l.isRefused(t, sdk, l.send(t, sdk, plain, "--forge"), "signature_mismatch")
		})
		if !sdk.signs {
			continue
		}
		t.Run(sdk.name+"/signed by the SDK", func(t *testing.T) {
			l.isRefused(t, sdk, l.sign(t, sdk, sdk.other, plain, time.Now()), "signature_mismatch")
		})
	}
}

func (l *lab) testStale(t *testing.T) {
	for _, sdk := range sdks {
		if sdk.saysTooOld == "" {
			continue // the provider signs no time
		}
		t.Run(sdk.name+"/sent by hookpass", func(t *testing.T) {
			l.isRefused(t, sdk, l.send(t, sdk, plain, "--stale"), "timestamp_too_old")
		})
		if !sdk.signs {
			continue
		}
		t.Run(sdk.name+"/signed by the SDK", func(t *testing.T) {
			l.isRefused(t, sdk, l.sign(t, sdk, sdk.secret, plain, time.Now().Add(-old)), "timestamp_too_old")
		})
	}
}

func (l *lab) isRefused(t *testing.T, sdk sdk, d delivery, reason string) {
	t.Helper()
	want := outcome{Status: http.StatusUnauthorized, Verdict: "rejected", Reason: reason}
	if got := l.gate.post(t, sdk.name, d); got != want {
		t.Errorf("the gate's outcome is %+v, want %+v", got, want)
	}
	if len(l.application.deliveries) > 0 {
		t.Errorf("the application got %q", l.application.next(t).body)
	}
	says := l.verify(t, sdk, d)
	expected := map[string]string{"signature_mismatch": sdk.saysMismatch, "timestamp_too_old": sdk.saysTooOld}[reason]
	if says == "" || !strings.Contains(says, expected) {
		t.Errorf("the SDK says %q, want %q", says, expected)
	}
}

// delivery is one as it goes over the wire.
type delivery struct {
	id     string
	header http.Header
	body   []byte
}

func newID() string { return "d-" + rand.Text() }
