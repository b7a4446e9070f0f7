package interop

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hookpass/hookpass/internal/programs"
)

// Before and after of docs/migrating.md take what is genuine and refuse what is
// forged: the one by itself, the other behind hookpass.
func (l *lab) testMigrating(t *testing.T) {
	page, err := os.ReadFile("../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```(js|python|go)\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 6 {
		t.Fatalf("%d applications", len(blocks))
	}
	for i, block := range blocks {
		sender, path := named(t, "stripe"), "/webhooks/stripe"
		if !strings.Contains(block[2], path) {
			sender, path = named(t, "octokit"), "/webhooks/github"
		}
		// The gate has the path of the SDK's name.
		address, output := startApplication(t, block[1], strings.ReplaceAll(block[2], path, "/"+sender.name))
		d := l.send(t, sender, plain)
		forged := l.send(t, sender, plain, "--forge")
		post := func(t *testing.T, d delivery) int {
			t.Helper()
			return postTo(t, "http://"+address+"/"+sender.name, d.header, d.body)
		}
		name := block[1] + ", before"
		if after := i%2 == 1; after {
			name = block[1] + ", after"
			gate := startGate(t, l.hookpass, address)
			post = func(t *testing.T, d delivery) int {
				t.Helper()
				return gate.post(t, sender.name, d).Status
			}
		}
		t.Run(name, func(t *testing.T) {
			if status := post(t, forged); status != http.StatusUnauthorized && status != http.StatusBadRequest {
				t.Errorf("a forged one is answered %d", status)
			}
			if status := post(t, d); status != http.StatusNoContent {
				t.Errorf("a genuine one is answered %d", status)
			}
			line, err := output.ReadString('\n')
			for strings.HasPrefix(line, " * ") { // Flask itself
				line, err = output.ReadString('\n')
			}
			if err != nil || line != event+"\n" {
				t.Errorf("the application writes %q, %v", line, err)
			}
		})
	}
}

func named(t *testing.T, name string) sdk {
	t.Helper()
	for _, s := range sdks {
		if s.name == name {
			return s
		}
	}
	t.Fatalf("there is no %s", name)
	return sdk{}
}

// python is one that has what the program imports.
func python(t *testing.T, program string) string {
	t.Helper()
	if strings.Contains(program, "from flask import") {
		return programs.NeedFlask(t)
	}
	programs.Need(t, "python3")
	return "python3"
}
