// Package nodejs talks to scripts in JavaScript, for tests against software that
// there is only for Node.
package nodejs

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Script is the process of a script that answers each line of JSON with one.
type Script struct {
	name    string
	input   io.Writer
	answers *json.Decoder
}

// Install installs, in a folder, what its package-lock.json pins, unless that is
// installed.
func Install(t *testing.T, folder string) {
	t.Helper()
	pinned, err := os.Stat(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	// npm writes this file last.
	installed, err := os.Stat(filepath.Join(folder, "node_modules", ".package-lock.json"))
	if err == nil && !installed.ModTime().Before(pinned.ModTime()) {
		return
	}
	t.Log("the packages of Node are not installed, or not these: running npm ci")
	command := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	command.Dir = folder
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("npm ci, which needs Node 20.19 or later: %v\n%s", err, output)
	}
}

// Start runs a script of the test's folder until the test ends.
func Start(t *testing.T, script string) *Script {
	t.Helper()
	watch(t)
	command := exec.CommandContext(t.Context(), "node", script) //nolint:gosec // the test's own
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Wait() }) // ended by the test's context
	return &Script{script, input, json.NewDecoder(output)}
}

// watch looks at the scripts. go test keeps a result until something changes that
// the test itself has looked at.
func watch(t *testing.T) {
	t.Helper()
	scripts, err := filepath.Glob("*.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		if _, err := os.Stat(script); err != nil {
			t.Fatal(err)
		}
	}
}

// Ask sends one question, and reads the answer into what answer points to.
func (s *Script) Ask(t *testing.T, question, answer any) {
	t.Helper()
	line, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.input.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	if err := s.answers.Decode(answer); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
}
