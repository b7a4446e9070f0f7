package main

import (
	"crypto/x509"
	"os"
	"os/exec"
	"testing"
)

// A scratch container has no root certificates of its own: where the system has
// none, those in the binary count.
func TestRootCertificatesAreInTheBinary(t *testing.T) {
	const asked = "HOOKPASS_TEST_ROOTS"
	if os.Getenv(asked) == "" {
		// The pool is read once a process.
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), asked+"=1", "SSL_CERT_FILE=/nonexistent", "SSL_CERT_DIR=/nonexistent")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	if pool.Equal(x509.NewCertPool()) {
		t.Error("there are none")
	}
}
