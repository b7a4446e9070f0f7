package deploy

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func compose(t *testing.T, environment ...string) (*types.Project, error) {
	t.Helper()
	return composeOf(t, nil, environment...)
}

func composeOf(t *testing.T, profiles []string, environment ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"compose.yaml"}, cli.WithEnv(environment), cli.WithProfiles(profiles))
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

// Each of those who watch finds the next one, and what it is told to read.
func TestComposeWithMonitoring(t *testing.T) {
	project, err := composeOf(t, []string{"monitoring"}, "HOOKPASS_SECRET=whsec_c2VjcmV0")
	if err != nil {
		t.Fatal(err)
	}
	mounted := map[string]string{}
	for _, name := range []string{"prometheus", "grafana"} {
		service, err := project.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is reached from outside: %v", name, port)
			}
		}
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(volume.Source); err != nil {
				t.Error(err)
			}
			mounted[volume.Target] = volume.Source
		}
	}

	var prometheus struct {
		Scrape []struct {
			Name string `json:"job_name"`
			DNS  []struct {
				Names []string
				Port  int
			} `json:"dns_sd_configs"`
		} `json:"scrape_configs"`
	}
	decode(t, mounted["/etc/prometheus"]+"/prometheus.yml", &prometheus)
	if job := prometheus.Scrape[0]; job.Name != "hookpass" || job.DNS[0].Port != 8081 || project.Services[job.DNS[0].Names[0]].Image != "hookpass/hookpass" {
		t.Errorf("Prometheus reads from %+v", job)
	}
	var grafana struct{ Datasources []struct{ Type, URL string } }
	decode(t, mounted["/etc/grafana/provisioning"]+"/datasources/prometheus.yaml", &grafana)
	if from := grafana.Datasources[0]; from.Type != "prometheus" || from.URL != "http://prometheus:9090" {
		t.Errorf("Grafana reads from %+v", from)
	}
	var dashboards struct {
		Providers []struct{ Options struct{ Path string } }
	}
	decode(t, mounted["/etc/grafana/provisioning"]+"/dashboards/hookpass.yaml", &dashboards)
	if folder := dashboards.Providers[0].Options.Path; mounted[folder+"/hookpass.json"] == "" {
		t.Errorf("Grafana finds no dashboard in %s", folder)
	}
}

func TestComposeWithoutSecretDoesNotStart(t *testing.T) {
	if _, err := compose(t); err == nil || !strings.Contains(err.Error(), "HOOKPASS_SECRET") {
		t.Errorf("it says %v", err)
	}
}
