package webhook

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"testing"
)

// BenchmarkVerify measures a whole verification, and in the same run the digest
// alone, without which none can be.
func BenchmarkVerify(b *testing.B) {
	s := Scheme{
		Type: TypeHMAC, Algorithm: "sha256", Encoding: "hex", Signed: "{timestamp}.{body}",
		Signature: "header X-Sig sha256={signature}", Timestamp: "header X-Time",
		DeliveryID: "header X-Id", EventType: "header X-Event",
	}
	secret := mustSecret(b, "a secret of usual length, 32 byte", KeyText)
	for _, size := range []int{1 << 10, 64 << 10} {
		r := &Request{Header: http.Header{}, Body: make([]byte, size)}
		signer, err := NewSigner(s, secret, nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := signer.Sign(r, "id", "event", arrival); err != nil {
			b.Fatal(err)
		}
		v := mustVerifier(b, s, nil, secret)
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(r, arrival); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%dKiB/sha256 alone", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				sha256.Sum256(r.Body)
			}
		})
	}
}
