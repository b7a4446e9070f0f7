package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// systemd's own checkers take the unit, and call it well confined.
func TestSystemdUnit(t *testing.T) {
	text, err := os.ReadFile("systemd/hookpass.service")
	if err != nil {
		t.Fatal(err)
	}
	// The command has to be there to be verified.
	unit := filepath.Join(t.TempDir(), "hookpass.service")
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(string(text), "/usr/bin/hookpass", binaryOf(files))), 0o600); err != nil {
		t.Fatal(err)
	}
	// What it does not know it tells, and calls no failure.
	verify := exec.CommandContext(t.Context(), "systemd-analyze", "--man=no", "verify", unit)
	if out, err := verify.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
	// Of 100; a service that says nothing has 96.
	run(t, "systemd-analyze", "--no-pager", "--offline=true", "--threshold=13", "security", unit)
}
