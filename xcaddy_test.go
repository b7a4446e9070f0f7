package hookpass_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	// A change of the module is a change of what is tested here.
	_ "github.com/hookpass/hookpass"
)

// Whoever has Go and no xcaddy gets a Caddy with the module in it.
func TestXcaddyScriptBuildsWithGoAlone(t *testing.T) {
	folder := t.TempDir()
	runXcaddyScript(t, folder, onlyTools(t, "bash", "cat", "dirname", "env", "go", "mktemp", "rm"), "caddy")

	wantModules(t, filepath.Join(folder, "caddy"), "http.handlers.webhook_console")
}

// wantModules wants a binary that is all of Caddy, and hookpass, and further
// modules.
func wantModules(t *testing.T, binary string, further ...string) {
	t.Helper()
	modules := output(t, binary, "list-modules")
	for _, id := range append(further, "http.handlers.verify_webhook", "http.reverse_proxy.transport.webhook", "webhooks", "http.handlers.file_server") {
		if !slices.Contains(strings.Fields(modules), id) {
			t.Errorf("the binary lacks %s", id)
		}
	}
}

// Whoever has xcaddy gets it from xcaddy, at the version of Caddy that the
// module is tested with, or at another.
func TestXcaddyScriptPrefersXcaddy(t *testing.T) {
	repository, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	tested := strings.TrimSpace(output(t, "go", "list", "-m", "-f", "{{.Version}}", "github.com/caddyserver/caddy/v2"))

	for name, test := range map[string]struct {
		environment []string
		version     string
	}{
		"tested version": {nil, tested},
		"chosen version": {[]string{"CADDY_VERSION=latest"}, "latest"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			tools := onlyTools(t, "bash", "dirname", "go")
			script := "#!/usr/bin/env bash\nprintf '%s\\n' \"$@\" >\"$0.arguments\"\n"
			if err := os.WriteFile(filepath.Join(tools, "xcaddy"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			runXcaddyScript(t, folder, tools, "bin/caddy", test.environment...)

			got, err := os.ReadFile(filepath.Join(tools, "xcaddy.arguments"))
			if err != nil {
				t.Fatal(err)
			}
			want := []string{
				"build", test.version,
				"--with", "github.com/hookpass/hookpass@v0.0.0=" + repository,
				"--output", filepath.Join(folder, "bin", "caddy"),
			}
			if arguments := strings.Split(strings.TrimSpace(string(got)), "\n"); !slices.Equal(arguments, want) {
				t.Errorf("xcaddy was called with\n%q, want\n%q", arguments, want)
			}
		})
	}
}

// xcaddy itself makes a Caddy with the module of either package, which does what
// the documentation shows of it.
func TestXcaddyBuilds(t *testing.T) {
	const xcaddy, module = "github.com/caddyserver/xcaddy@v0.4.7", "github.com/hookpass/hookpass"
	// A proxy may refuse to list the versions of what is not published, or is of
	// no use to it: the module here is a folder, and xcaddy's version is pinned.
	proxies := strings.FieldsFunc(strings.TrimSpace(output(t, "go", "env", "GOPROXY")), func(r rune) bool { return r == ',' || r == '|' })
	proxies = slices.DeleteFunc(proxies, func(proxy string) bool { return proxy == "direct" })
	t.Setenv("GOPROXY", strings.Join(append(proxies, "off"), "|"))

	var source struct{ Dir string }
	if err := json.Unmarshal([]byte(output(t, "go", "mod", "download", "-json", xcaddy)), &source); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "xcaddy")
	output(t, "go", "-C", source.Dir, "build", "-o", program, "./cmd/xcaddy")
	version := strings.TrimSpace(output(t, "go", "list", "-m", "-f", "{{.Version}}", "github.com/caddyserver/caddy/v2"))

	for name, with := range map[string][]string{
		"root package": {"--with", module + "=."},
		"caddymodule":  {"--with", module + "/caddymodule", "--replace", module + "=."},
	} {
		t.Run(name, func(t *testing.T) {
			page := newCaddyPage(t, func(t *testing.T) *setup {
				return newSetupOf(t, func(to string) {
					output(t, program, slices.Concat([]string{"build", version}, with, []string{"--output", to})...)
				})
			})
			wantModules(t, filepath.Join(page.dir, "hookpass"))
			page.load("Several endpoints")
			page.several()
		})
	}
}

// runXcaddyScript runs the script from another folder than the repository.
func runXcaddyScript(t *testing.T, folder, path, argument string, environment ...string) {
	t.Helper()
	script, err := filepath.Abs("xcaddy.sh")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), script, argument)
	command.Dir = folder
	command.Env = append(os.Environ(), "CADDY_VERSION=", "PATH="+path)
	command.Env = append(command.Env, environment...)
	if printed, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
}

// onlyTools returns a folder with these programs and no others, to be a PATH.
func onlyTools(t *testing.T, names ...string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range names {
		program, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(program, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func output(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, arguments...)
	var problems bytes.Buffer
	command.Stderr = &problems
	printed, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, problems.String())
	}
	return string(printed)
}
