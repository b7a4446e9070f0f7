package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"
)

// ruleFile is what Prometheus reads, as far as the tests do.
type ruleFile struct {
	Groups []struct {
		Rules []rule
	}
}

type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func rulesOf(t *testing.T) (rules []rule) {
	t.Helper()
	var file ruleFile
	decode(t, "prometheus/alerts.yml", &file)
	for _, group := range file.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules
}

func decode(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// Prometheus' own tool takes the files, and finds that what should fire does.
func TestAlerts(t *testing.T) {
	tests, err := filepath.Glob("prometheus/*_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	run(t, "promtool", "check", "config", "prometheus/prometheus.yml") // and the rules that it names
	run(t, "promtool", append([]string{"test", "rules"}, tests...)...)

	var fired []string
	for _, file := range tests {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`labels: 'ALERTS\{alertname="(\w+)"`).FindAllStringSubmatch(string(text), -1) {
			fired = append(fired, match[1])
		}
	}
	for _, r := range rulesOf(t) {
		if r.Alert == "" {
			continue
		}
		if !slices.Contains(fired, r.Alert) {
			t.Errorf("%s: no test lets it fire", r.Alert)
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s: the severity is %q", r.Alert, r.Labels["severity"])
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s does not say what to do", r.Alert)
		}
	}
}
