package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hookpass/hookpass/internal/programs"
)

// Everything that a shell, curl or printf could take for its own.
const nasty = "{\"text\":\"it's \\\"quoted\\\" $HOME $(id) `id` \\\\ \\n ! * ? ~ # & | ; < > %s \\u00e9 https:\\/\\/example.com Zoë ☕ 🚀\", 'not json'\n\n\ttab}\n"

func TestThePrintedCommandSendsAGenuineDelivery(t *testing.T) {
	for _, id := range sendable(t) {
		t.Run(id, func(t *testing.T) {
			e, flags := endpointOf(t, lookup(t, id))
			scheme := lookup(t, id).Scheme
			data := strings.Replace(sample(scheme, contentType(scheme)), "true", `"it's $HOME ☕"`, 1) + "\n"
			got := runPrinted(t, e, data, append(flags, "--data", "-", id)...)
			if scheme.Signature != "body" && !strings.Contains(string(got.request.Body), `"it's $HOME ☕"`) {
				t.Errorf("body %q", got.request.Body)
			}
		})
	}
}

func TestThePrintedCommandSurvivesTheShell(t *testing.T) {
	const note = "it's \"$HOME\" \\ `id` *"
	for name, body := range map[string]string{
		"signs of the shell": nasty,
		"the name of a file": "@/etc/passwd",
		"standard input":     "@-",
		"an option":          "--version",
		"nothing":            "",
		"invalid UTF-8":      "\xff\xfe\r\n\x01",
	} {
		t.Run(name, func(t *testing.T) {
			e, flags := endpointOf(t, lookup(t, "github"))
			got := runPrinted(t, e, body, append(flags, "--header", "X-Note: "+note, "--data", "-", "github")...)
			if string(got.request.Body) != body {
				t.Errorf("body %q, want %q", got.request.Body, body)
			}
			if value := got.request.Header.Get("X-Note"); value != note {
				t.Errorf("header field %q, want %q", value, note)
			}
		})
	}
}

func TestThePrintedCommandKeepsTheAddress(t *testing.T) {
	for _, to := range []string{"/it's", "/a/./b/../c", "/in?range=[1-3]&set={a,b}&dollar=$HOME", "/in?a&b#part"} {
		t.Run(to, func(t *testing.T) {
			e, flags := endpointOf(t, lookup(t, "github"))
			got := runPrinted(t, e, "", append(flags, "--to", e.URL+to, "github")...)
			want, _, _ := strings.Cut(to, "#")
			if got.request.URL != e.URL+want {
				t.Errorf("address %s, want %s", got.request.URL, e.URL+want)
			}
		})
	}
}

// runPrinted runs the command that is printed for args, with input on standard
// input, and returns what it sent.
func runPrinted(t *testing.T, e endpoint, input string, args ...string) received {
	t.Helper()
	command, err := runAt(func() time.Time { return arrival }, input, append([]string{"--print", "curl"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.deliveries) > 0 {
		t.Fatal("it was not only printed, but sent")
	}
	programs.Need(t, "curl")
	if text, err := exec.CommandContext(t.Context(), "bash", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, command, text)
	}
	got := e.next(t)
	if got.err != nil {
		t.Fatalf("%v\n%s", got.err, command)
	}
	return got
}

func TestABodyThatNoCommandLineCanCarryIsAnError(t *testing.T) {
	_, err := run("--secret", "x", "--to", "http://localhost", "--print", "curl", "--data", "a\x00b", "github")
	if err == nil || !strings.Contains(err.Error(), "--data holds a zero byte") {
		t.Errorf("got %v", err)
	}
}

func TestEachCopyIsPrinted(t *testing.T) {
	output, err := run("--secret", "x", "--to", "http://localhost", "--print", "curl", "--repeat", "3", "github")
	if err != nil || strings.Count(output, "curl 'http://localhost'") != 3 {
		t.Errorf("got %s, %v", output, err)
	}
}
