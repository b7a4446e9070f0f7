package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The binary of a release is the one that deploy/build makes.
func TestReleaseIsBuiltAsAnybodyWould(t *testing.T) {
	text, err := os.ReadFile("../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var release struct {
		Builds []struct {
			Main    string   `json:"main"`
			Env     []string `json:"env"`
			Flags   []string `json:"flags"`
			Tags    []string `json:"tags"`
			Ldflags []string `json:"ldflags"`
		} `json:"builds"`
	}
	if err := yaml.Unmarshal(text, &release); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("build")
	if err != nil {
		t.Fatal(err)
	}
	by := release.Builds[0]
	command := strings.Join(by.Env, " ") + " go build " + strings.Join(by.Flags, " ") + " -ldflags '" + strings.Join(by.Ldflags, " ") +
		"' -tags " + strings.Join(by.Tags, ",") + ` -o "$output" ` + by.Main + "\n"
	if got := strings.NewReplacer("\\\n\t", "", `"${PGO-`, "", `}"`, "").Replace(string(script)); !strings.Contains(got, " "+command) {
		t.Errorf("%s does not hold\n%s", got, command)
	}
}

// What an action is can only be changed here.
func TestReleasePinsItsActions(t *testing.T) {
	text, err := os.ReadFile("../.github/workflows/release.yml")
	if err != nil {
		t.Fatal(err)
	}
	uses := regexp.MustCompile(`(?m)uses: .*$`).FindAllString(string(text), -1)
	if len(uses) == 0 {
		t.Error("it uses none")
	}
	for _, action := range uses {
		if !regexp.MustCompile(`@[0-9a-f]{40} # v\d+\.\d+\.\d+$`).MatchString(action) {
			t.Error(action)
		}
	}
}

func TestNotes(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "deploy"), 0o700); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("notes")
	if err != nil {
		t.Fatal(err)
	}
	changelog := "# Changelog\n\n## [Unreleased]\n\nnot yet\n\n## [1.2.3] - 2026-01-31\n\n### Breaking\n\n- words\n\n## [1.2.2] - 2026-01-30\n\n- the last\n\n[1.2.2]: https://example.org/\n"
	for name, content := range map[string]string{"deploy/notes": string(script), "CHANGELOG.md": changelog} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	notes := func(version string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "bash", filepath.Join(folder, "deploy", "notes"), version).Output()
		return strings.TrimSpace(string(out)), err
	}
	for version, want := range map[string]string{"v1.2.3": "### Breaking\n\n- words", "v1.2.2": "- the last"} {
		if got, err := notes(version); err != nil || got != want {
			t.Errorf("%s: %q, %v", version, got, err)
		}
	}
	for _, version := range []string{"v1.2", "v1.2.4"} {
		if got, err := notes(version); err == nil {
			t.Errorf("%s: %q, and it has no section", version, got)
		}
	}
}
