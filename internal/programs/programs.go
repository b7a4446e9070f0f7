// Package programs provides the programs that tests run besides Go and Node. A fresh
// machine has few of them, and a test that is skipped there tests nothing.
package programs

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// Need returns when all the programs, which bear the names of their Debian
// packages, are installed: it installs what is missing where it may, which is as
// root with apt-get, and fails the test elsewhere.
func Need(t testing.TB, names ...string) {
	t.Helper()
	need(t, names, func(name string) bool {
		_, err := exec.LookPath(name)
		return err != nil
	})
}

// NeedFlask is Need for Python with Flask, and returns the Python that has it.
func NeedFlask(t testing.TB) (python string) {
	t.Helper()
	need(t, []string{"python3-flask"}, func(string) bool {
		// Debian's packages are for Debian's own, which need not be the first.
		for _, python = range []string{"python3", "/usr/bin/python3"} {
			if exec.CommandContext(t.Context(), python, "-c", "import flask").Run() == nil {
				return false
			}
		}
		return true
	})
	return python
}

func need(t testing.TB, packages []string, missing func(name string) bool) {
	t.Helper()
	if !slices.ContainsFunc(packages, missing) {
		return
	}
	// Other packages' tests, which run at the same time, need the same.
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "hookpass-test-programs.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Close() }() // which unlocks it
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	wanted := slices.DeleteFunc(slices.Clone(packages), func(name string) bool { return !missing(name) })
	if len(wanted) == 0 {
		return
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		t.Fatalf("install %q: this test needs it, and does so itself only as root with apt-get", wanted)
	}
	t.Logf("installing %q", wanted)
	for _, args := range [][]string{{"update", "--quiet"}, append([]string{"install", "--quiet", "--yes", "--no-install-recommends"}, wanted...)} {
		if output, err := exec.CommandContext(t.Context(), "apt-get", args...).CombinedOutput(); err != nil { //nolint:gosec // the test's own words
			t.Fatalf("apt-get %v: %v\n%s", args, err, output)
		}
	}
	if slices.ContainsFunc(packages, missing) {
		t.Fatalf("%q are installed, and yet not to be had", packages)
	}
}
