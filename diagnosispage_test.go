package hookpass_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookpass/hookpass/diagnosis"
)

// Every command of docs/diagnosis.md is run, in its order, and prints what the page
// says.
func TestDiagnosisPage(t *testing.T) {
	dir := t.TempDir()
	output(t, "go", "build", "-o", filepath.Join(dir, "hookpass"), "./cmd/hookpass")
	var printed string
	ran := 0
	for _, b := range blocks(t, "docs/diagnosis.md") {
		switch b.language {
		case "text":
			wantLines(t, b, printed)
			ran++
		case "sh":
			cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", b.text)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s:%d: %v\n%s", b.page, b.line, err, out)
			}
			printed = string(out)
		}
	}
	if ran < 4 {
		t.Errorf("only %d examples", ran)
	}
}

// The page names every cause.
func TestCausesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("docs/diagnosis.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## What it finds")
	for _, cause := range diagnosis.Causes {
		if !strings.Contains(table, "`"+string(cause)+"`") {
			t.Errorf("%s is not explained", cause)
		}
	}
}
