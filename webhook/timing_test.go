package webhook

import (
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"
)

// BenchmarkTiming tells whether the time that a refusal takes says how much of a
// guess was right, in the way of dudect (Reparaz, Balasch and Verbauwhede: "Dude, is
// my code constant time?", 2017): guesses that are wrong from the start and guesses
// that are wrong at the end are timed in random order, and Welch's t compares them.
// Below 4.5 they are alike. The last case compares byte by byte, as one should not,
// and shows that it would be seen:
//
//	go test ./webhook -run '^$' -bench Timing -benchtime 300000x
func BenchmarkTiming(b *testing.B) {
	const secret = "e5cfd1c3a4b80e9f6712aad3c5b7089fe5cfd1c3a4b80e9f6712aad3c5b7089f"
	key := mustSecret(b, secret, KeyText)
	genuine := Request{Method: http.MethodPost, Body: []byte(`{"event":"task.created","delivery_id":"1"}`)}
	for _, tt := range []struct {
		name   string
		scheme Scheme
	}{
		{"hex", Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header Signature", Encoding: "hex", Signed: "{body}"}},
		{"base64", Scheme{Type: TypeHMAC, Algorithm: "sha256", Signature: "header Signature", Encoding: "base64", Signed: "{body}"}},
		{"token", Scheme{Type: TypeToken, Signature: "header Signature"}},
		{"basic", Scheme{Type: TypeBasic}},
	} {
		credentials := key
		if tt.scheme.Type == TypeBasic {
			credentials = mustSecret(b, "user:"+secret, KeyText)
		}
		signer, err := NewSigner(tt.scheme, credentials, nil)
		if err != nil {
			b.Fatal(err)
		}
		signed := genuine
		signed.Header = http.Header{}
		if err := signer.Sign(&signed, "", "", arrival); err != nil {
			b.Fatal(err)
		}
		var name, right string
		for field := range signed.Header {
			name, right = field, signed.Header.Get(field)
		}
		v := mustVerifier(b, tt.scheme, nil, credentials)
		b.Run(tt.name, func(b *testing.B) {
			compareTimes(b, right, func(guess string) func() {
				r := genuine
				r.Header = http.Header{name: {guess}}
				return func() {
					if _, err := v.Verify(&r, arrival); err == nil {
						b.Fatalf("%q is taken", guess)
					}
				}
			})
		})
	}
	b.Run("leak", func(b *testing.B) {
		compareTimes(b, secret, func(guess string) func() {
			return func() {
				for i := range secret {
					if guess[i] != secret[i] {
						break
					}
				}
			}
		})
	})
}

// compareTimes reports t for guesses that are wrong from the start against those
// that are wrong at the end.
func compareTimes(b *testing.B, right string, refusal func(guess string) func()) {
	b.Helper()
	var refusals [2][16]func()
	for i := range 16 {
		for class, at := range []int{len(right) / 4, len(right) - 4} { // behind "Basic " and before "="
			guess := []byte(right)
			for guess[at] == right[at] {
				guess[at] = "0123456789abcdef"[rand.IntN(16)]
			}
			refusals[class][i] = refusal(string(guess))
			refusals[class][i]()
		}
	}
	var times [2][]float64
	for b.Loop() {
		class := rand.IntN(2)
		refuse := refusals[class][rand.IntN(16)]
		start := time.Now()
		refuse()
		times[class] = append(times[class], float64(time.Since(start)))
	}
	b.ReportMetric(math.Abs(welch(cropped(times[0]), cropped(times[1]))), "t")
}

// cropped leaves out the slowest tenth: those that something else interrupted.
func cropped(times []float64) []float64 {
	slices.Sort(times)
	return times[:len(times)-len(times)/10]
}

// welch is the statistic of Welch's t-test.
func welch(a, b []float64) float64 {
	meanA, varianceA := moments(a)
	meanB, varianceB := moments(b)
	return (meanA - meanB) / math.Sqrt(varianceA/float64(len(a))+varianceB/float64(len(b)))
}

func moments(xs []float64) (mean, variance float64) {
	for _, x := range xs {
		mean += x / float64(len(xs))
	}
	for _, x := range xs {
		variance += (x - mean) * (x - mean) / float64(len(xs)-1)
	}
	return mean, variance
}
