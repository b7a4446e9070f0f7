package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// The test's own binary is hookpass where this is set.
const asHookpass = "AS_HOOKPASS"

func TestMain(m *testing.M) {
	if os.Getenv(asHookpass) != "" {
		main()
		return
	}
	var err error
	if keys, err = os.MkdirTemp("", "hookpass-test"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(keys)
	os.Exit(code)
}

// hookpass runs the whole program.
func hookpass(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, told strings.Builder
	command := exec.CommandContext(t.Context(), os.Args[0], args...)
	command.Env = append(os.Environ(), asHookpass+"=1", "SECRET=key")
	command.Stdout, command.Stderr = &out, &told
	err := command.Run()
	exit := (*exec.ExitError)(nil)
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), told.String(), command.ProcessState.ExitCode()
}

func TestExitCodesAndWhatIsSaid(t *testing.T) {
	request := filepath.Join(t.TempDir(), "request")
	if err := os.WriteFile(request, []byte("POST /in\nX-Hub-Signature-256: sha256="+strings.Repeat("0", 64)+"\n\n{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args         []string
		code         int
		stdout, says string
	}{
		"all is well":      {[]string{"sign", "github", "--secret-env", "SECRET", "--data", "{}"}, 0, "X-Hub-Signature-256: sha256=", ""},
		"the answer is no": {[]string{"verify", "--request", request, "--provider", "github", "--secret-env", "SECRET"}, 2, "rejected: signature_mismatch", "hookpass verify: not genuine"},
		"none is found":    {[]string{"providers", "--header", "X-None"}, 2, "", "hookpass providers: no provider found"},
		"a wrong argument": {[]string{"send", "gitub"}, 1, "", `hookpass send: unknown provider "gitub": did you mean "github"?`},
		"a wrong command":  {[]string{"verfy"}, 1, "", "Did you mean this?\n\tverify\n"},
		"a wrong flag":     {[]string{"verify", "--providr", "github"}, 1, "", "unknown flag: --providr: did you mean --provider? See hookpass verify --help"},
		"a sidecar's flag": {[]string{"sidecar", "--provder", "github"}, 1, "", "unknown flag: --provder: did you mean --provider? See hookpass sidecar --help"},
		"a sidecar's word": {[]string{"sidecar", "github"}, 1, "", "hookpass sidecar: it takes flags alone"},
		"half a sidecar":   {[]string{"sidecar", "--provider", "github"}, 1, "", "hookpass sidecar: HOOKPASS_UPSTREAM is not set"},
		"nobody is well":   {[]string{"health", "--address", "unix/" + request}, 1, "", "hookpass health: hookpass takes no deliveries, or cannot be asked"},
		"health's flag":    {[]string{"health", "--adress", ":1"}, 1, "", "unknown flag: --adress: did you mean --address? See hookpass health --help"},
		"a flag's value":   {[]string{"verify", "--at", "noon"}, 1, "", "write a time such as 2026-01-01T00:00:00Z"},
		"no such verdict":  {[]string{"tail", "--verdict", "reject"}, 1, "", "hookpass tail: --verdict reject: did you mean rejected?"},
		"nobody to follow": {[]string{"tail", "-n", "1", "--address", "unix/" + request}, 1, "", "hookpass tail: asking the hookpass whose admin API is at unix/" + request},
		"no replay of all": {[]string{"replay"}, 1, "", "hookpass replay: name the deliveries"},
		"two explanations": {[]string{"explain", "--delivery", "7", "--request", request}, 1, "", "hookpass explain: the running hookpass knows"},
		"a wrong word":     {[]string{"dedup", "froget"}, 1, "", `hookpass dedup: unknown word "froget": did you mean forget?`},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := hookpass(t, tt.args...)
			if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.says) || (stderr == "") != (tt.says == "") {
				t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
			}
		})
	}
}

var ownCommands = []string{"dedup", "explain", "listen", "providers", "replay", "send", "sign", "tail", "verify"}

func TestManualPagesAndCompletionsHaveOurCommands(t *testing.T) {
	dir := t.TempDir()
	if _, stderr, code := hookpass(t, "manpage", "--directory", dir); code != 0 {
		t.Fatal(stderr)
	}
	for _, name := range ownCommands {
		page, err := os.ReadFile(filepath.Join(dir, "hookpass-"+name+".8"))
		if err != nil || !strings.Contains(string(page), `\fB-h\fP, \fB--help\fP`) {
			t.Errorf("%v\n%s", err, page)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if stdout, stderr, code := hookpass(t, "completion", shell); code != 0 || !strings.Contains(stdout, "hookpass") {
			t.Errorf("%s: %s", shell, stderr)
		}
	}
	for _, tt := range []struct {
		words []string
		want  string
	}{
		{[]string{"ver"}, "verify\t"},
		{[]string{"send", "strip"}, "stripe\n"},
		{[]string{"verify", "--provider", "strip"}, "stripe\n"},
		{[]string{"verify", "--secret-"}, "--secret-env\t"},
	} {
		if stdout, _, _ := hookpass(t, append([]string{"__complete"}, tt.words...)...); !strings.Contains(stdout, tt.want) {
			t.Errorf("%v is completed as\n%s", tt.words, stdout)
		}
	}
}

// What a flag means does not depend on the command.
func TestFlagsAreConsistent(t *testing.T) {
	meaning := map[string]string{}
	for _, name := range ownCommands {
		stdout, _, code := hookpass(t, name, "--help")
		if code != 0 || !strings.Contains(stdout, "The exit code is 0") {
			t.Errorf("%s: the help is\n%s", name, stdout)
		}
		for line := range strings.Lines(stdout) {
			words := strings.Fields(line)
			if len(words) < 3 || !slices.Contains([]string{"--secret-env", "--secret-file", "--with", "--header"}, words[0]) || name == "providers" {
				continue
			}
			usage := strings.Join(words[2:], " ")
			if before, known := meaning[words[0]]; known && before != usage {
				t.Errorf("%s of %s: %s", words[0], name, line)
			}
			meaning[words[0]] = usage
		}
		if caddycmd.Commands()[name].Short == "" {
			t.Errorf("%s is not registered", name)
		}
	}
}
