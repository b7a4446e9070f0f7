package deploy

import (
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func compose(t *testing.T, environment ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"compose.yaml"}, cli.WithEnv(environment))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

// Compose's own loader takes the file, and it is hookpass alone that is reached
// from outside.
func TestCompose(t *testing.T) {
	project, err := compose(t, "HOOKPASS_SECRET=whsec_c2VjcmV0")
	if err != nil {
		t.Fatal(err)
	}
	if got := project.ServiceNames(); !slices.Equal(got, []string{"application", "hookpass", "redis"}) {
		t.Fatalf("the services are %q", got)
	}
	for name, service := range project.Services {
		outside := len(service.Ports) > 0
		for network := range service.Networks {
			outside = outside || !project.Networks[network].Internal
		}
		if outside != (name == "hookpass") {
			t.Errorf("%s: reached from outside: %t", name, outside)
		}
	}

	hookpass := project.Services["hookpass"]
	if !hookpass.ReadOnly || !slices.Equal(hookpass.CapDrop, []string{"ALL"}) || !slices.Equal(hookpass.SecurityOpt, []string{"no-new-privileges:true"}) || hookpass.User != "" {
		t.Error("hookpass may do more than it needs")
	}
	if len(hookpass.Ports) != 1 || hookpass.Ports[0].Target != 8080 {
		t.Errorf("hookpass is reached on %v", hookpass.Ports)
	}
	variables := map[string]string{}
	for name, value := range hookpass.Environment {
		variables[name] = *value
	}
	if got := variables["HOOKPASS_SECRET"]; got != "whsec_c2VjcmV0" {
		t.Errorf("the secret is %q", got)
	}
	host, port, _ := strings.Cut(variables["HOOKPASS_UPSTREAM"], ":")
	if command := strings.Join(project.Services[host].Command, " "); !strings.HasPrefix(command, "respond --listen :"+port+" ") {
		t.Errorf("hookpass forwards to %s:%s, and that runs %q", host, port, command)
	}
	store, _ := strings.CutPrefix(variables["HOOKPASS_DEDUP"], "redis://")
	if host, _, _ := strings.Cut(store, ":"); !slices.Contains(hookpass.GetDependencies(), host) {
		t.Errorf("hookpass remembers in %s, and does not wait for it", host)
	}
}

func TestComposeWithoutSecretDoesNotStart(t *testing.T) {
	if _, err := compose(t); err == nil || !strings.Contains(err.Error(), "HOOKPASS_SECRET") {
		t.Errorf("it says %v", err)
	}
}
