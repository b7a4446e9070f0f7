package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every file sets hookpass up in words that it knows, and to work.
func TestSettings(t *testing.T) {
	for name, environment := range map[string][]string{
		"container":  ofDocs(t),
		"compose":    ofCompose(t),
		"kubernetes": ofKubernetes(t),
		"systemd":    ofSystemd(t),
	} {
		t.Run(name, func(t *testing.T) {
			for _, wanted := range []string{"HOOKPASS_PROVIDER=", "HOOKPASS_SECRET", "HOOKPASS_UPSTREAM="} {
				if !slices.ContainsFunc(environment, func(v string) bool { return strings.HasPrefix(v, wanted) }) {
					t.Errorf("%q lacks %s", environment, wanted)
				}
			}
			caddyfile := filepath.Join(t.TempDir(), "Caddyfile")
			if err := os.WriteFile(caddyfile, hookpass(t, environment, "sidecar", "--print-config"), 0o600); err != nil {
				t.Fatal(err)
			}
			hookpass(t, environment, "validate", "--config", caddyfile)
		})
	}
}

func hookpass(t *testing.T, environment []string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binaryOf(files), args...)
	cmd.Env = append(cmd.Env, environment...)
	cmd.Env = append(cmd.Env, "HOME="+t.TempDir())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q %v: %v\n%s", environment, cmd, err, &stderr)
	}
	return out
}

func ofDocs(t *testing.T) (environment []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/deployment.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`(?:--env|export) (\S+=\S+)`).FindAllStringSubmatch(string(page), -1) {
		environment = append(environment, match[1])
	}
	return environment
}

func ofCompose(t *testing.T) (environment []string) {
	t.Helper()
	project, err := compose(t, "HOOKPASS_SECRET=whsec_c2VjcmV0")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range project.Services["hookpass"].Environment {
		environment = append(environment, name+"="+*value)
	}
	return environment
}

func ofKubernetes(t *testing.T) (environment []string) {
	t.Helper()
	c := kustomize(t, overlay(t))
	for _, v := range c.deployment.Spec.Template.Spec.InitContainers[0].Env {
		if v.ValueFrom != nil {
			v.Value = string(c.secrets[0].Data[v.ValueFrom.SecretKeyRef.Key])
		}
		environment = append(environment, v.Name+"="+v.Value)
	}
	return environment
}

func ofSystemd(t *testing.T) (environment []string) {
	t.Helper()
	credentials := t.TempDir()
	if err := os.WriteFile(filepath.Join(credentials, "secret"), []byte("whsec_c2VjcmV0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	unit, err := os.ReadFile("systemd/hookpass.service")
	if err != nil {
		t.Fatal(err)
	}
	specifiers := strings.NewReplacer("%d", credentials, "%S", t.TempDir())
	for line := range strings.Lines(string(unit)) {
		if list, ok := strings.CutPrefix(line, "Environment="); ok {
			environment = append(environment, strings.Fields(specifiers.Replace(list))...)
		}
	}
	file, err := os.ReadFile("systemd/hookpass.env")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(file)) {
		if !strings.HasPrefix(line, "#") {
			environment = append(environment, strings.TrimSpace(line))
		}
	}
	return environment
}

// Caddy's admin API, which could tell the secret, is not on the loopback address
// that an application shares, nor is the health port on every address of a machine.
func TestStrangersAreNotServed(t *testing.T) {
	if environment := ofKubernetes(t); !slices.Contains(environment, "HOOKPASS_ADMIN=off") {
		t.Errorf("in the pod: %q", environment)
	}
	if environment := ofSystemd(t); !slices.Contains(environment, "HOOKPASS_HEALTH_LISTEN=localhost:8081") {
		t.Errorf("on the machine: %q", environment)
	}
}
