package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dashboard is what Grafana reads, as far as the tests do.
type dashboard struct {
	Panels     []panel
	Templating struct{ List []templated }
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ H, W, X, Y int }
	Datasource               source
	Targets                  []struct {
		Expr       string
		Datasource source
	}
}

type source struct{ UID string }

type templated struct {
	Name, Type string
	Query      any
}

func dashboardOf(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("grafana/hookpass.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// Panels are told apart, lie on none other, ask the data source that is chosen, and say
// what to do.
func TestDashboard(t *testing.T) {
	ids, cells := map[int]string{}, map[[2]int]string{}
	for _, p := range dashboardOf(t).Panels {
		if other, taken := ids[p.ID]; taken || p.ID == 0 {
			t.Errorf("%q and %q have the id %d", other, p.Title, p.ID)
		}
		ids[p.ID] = p.Title
		if g := p.GridPos; g.W < 1 || g.H < 1 || g.X < 0 || g.Y < 0 || g.X+g.W > 24 {
			t.Errorf("%q is at %+v", p.Title, g)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other, taken := cells[at]; taken {
					t.Fatalf("%q lies on %q", p.Title, other)
				}
				cells[at] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Description) < 50 || len(p.Targets) == 0 {
			t.Errorf("%q tells %d things, and of what to do %q", p.Title, len(p.Targets), p.Description)
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" || p.Datasource.UID != "${datasource}" {
				t.Errorf("%q asks %q", p.Title, target.Datasource.UID)
			}
		}
	}
}

// What Prometheus is told of works on what hookpass tells: each rule and each panel, after
// deliveries of every kind.
func TestMonitoring(t *testing.T) {
	namespace := network(t)
	caddyfile := filepath.Join(t.TempDir(), "Caddyfile")
	// Redis does not answer, so that there is something to tell of that, too.
	write(t, caddyfile, `{
	admin off
	persist_config off
	webhooks {
		health :8081
		dedup redis redis://127.0.0.1:1/0
		delivery_log {
			output discard
		}
	}
}
http://:8080 {
	handle /broken {
		verify_webhook stripe {
			name broken
			secret `+secret+`
		}
		respond 500
	}
	handle {
		verify_webhook stripe {
			secret `+secret+` current
			secret whsec_before previous
		}
		respond 204
	}
}
`)
	spawn(t, namespace, binaryOf(files), "run", "--config", caddyfile)
	eventually(t, "hookpass tells of itself", func() bool {
		_, ok := ask(t, "http://"+inside+":8081/metrics")
		return ok
	})

	expressions := map[string]string{} // by where they are
	recorded := []string{"up"}
	for _, r := range rulesOf(t) {
		expressions["rule "+r.Alert+r.Record] = r.Expr
		recorded = append(recorded, r.Record)
	}
	d := dashboardOf(t)
	variables := []string{"${datasource}", "", "$__rate_interval", "1m"}
	for _, v := range d.Templating.List {
		variables = append(variables, "$"+v.Name, ".+")
	}
	fill := strings.NewReplacer(variables...)
	for _, p := range d.Panels {
		for i, target := range p.Targets {
			expressions[fmt.Sprintf("%s, %d", p.Title, i)] = fill.Replace(target.Expr)
		}
	}

	const prometheus = "http://" + inside + ":9090"
	startPrometheus(t, namespace)
	number, last := 0, ""
	defer func() {
		if t.Failed() {
			t.Logf("the last one was %s", last)
		}
	}()
	// A counter grows between two looks at it, or nobody sees.
	eventually(t, "each panel shows something", func() bool {
		number++
		for _, key := range []string{secret, secret, "whsec_guessed"} {
			<-deliver(t, fmt.Sprintf("evt_%d", number), key)
		}
		<-deliverTo(t, "/broken", fmt.Sprintf("evt_%d", number), secret)
		for _, where := range slices.Sorted(maps.Keys(expressions)) {
			if strings.HasPrefix(where, "rule ") {
				continue
			}
			var answer struct{ Result []json.RawMessage }
			if !query(t, prometheus+"/api/v1/query?query="+url.QueryEscape(expressions[where]), &answer) || len(answer.Result) == 0 {
				last = where
				return false
			}
		}
		return true
	})

	// All that hookpass can tell it tells by now.
	metrics, _ := ask(t, "http://"+inside+":8081/metrics")
	for where, expression := range expressions {
		names := namesIn(expression)
		if len(names) == 0 {
			t.Errorf("%s: no metric in %s", where, expression)
		}
		for _, name := range names {
			if !slices.Contains(recorded, name) && !regexp.MustCompile(`(?m)^`+name+`[{ ]`).Match(metrics) {
				t.Errorf("%s: hookpass tells no %s", where, name)
			}
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		text := fill.Replace(v.Query.(map[string]any)["query"].(string))
		parts := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(text)
		if parts == nil {
			t.Fatalf("$%s asks %s", v.Name, text)
		}
		var values []string
		if !query(t, prometheus+"/api/v1/label/"+parts[2]+"/values?match[]="+url.QueryEscape(parts[1]), &values) || len(values) == 0 {
			t.Errorf("$%s has no values", v.Name)
		}
	}

	last = ""
	eventually(t, "each rule is evaluated", func() bool {
		var answer struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
		if !query(t, prometheus+"/api/v1/rules", &answer) {
			return false
		}
		n := 0
		for _, group := range answer.Groups {
			for _, r := range group.Rules {
				n++
				if r.Health != "ok" {
					last = r.Name + ": " + r.Health + " " + r.LastError
					return false
				}
			}
		}
		return n == len(rulesOf(t))
	})
}

// startPrometheus has it look every second, and not at leisure.
func startPrometheus(t *testing.T, namespace string) {
	t.Helper()
	dir := t.TempDir()
	rules, err := os.ReadFile("prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "alerts.yml"), strings.ReplaceAll(string(rules), "interval: 5m", "interval: 1s"))
	config := filepath.Join(dir, "prometheus.yml")
	write(t, config, `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: hookpass
    static_configs: [{targets: ["`+inside+`:8081"]}]
`)
	spawn(t, namespace, "prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=:9090")
}

// spawn runs a program in the namespace until the test ends.
func spawn(t *testing.T, namespace string, args ...string) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "ip", append([]string{"netns", "exec", namespace}, args...)...)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said\n%s", args[0], &log)
		}
	})
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ask reports whether there was an answer of 200.
func ask(t *testing.T, address string) ([]byte, bool) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, false // not yet
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return text, err == nil && response.StatusCode == http.StatusOK
}

// query decodes an answer of Prometheus' API. An expression that it does not take ends
// the test.
func query(t *testing.T, address string, into any) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false // not yet
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if response.StatusCode == http.StatusServiceUnavailable { // it starts
		return false
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.Status != "success" {
		t.Fatalf("%s: %s", address, answer.Error)
	}
	if err := json.Unmarshal(answer.Data, into); err != nil {
		t.Fatal(err)
	}
	return true
}

var (
	noNames = regexp.MustCompile(`"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(by|on|ignoring|without|group_left|group_right)\s*\([^)]*\)`)
	words   = regexp.MustCompile(`[a-zA-Z_:][\w:]*\s*\(?`)
)

// namesIn are the metrics of an expression: its words that are neither functions,
// operators nor labels.
func namesIn(expression string) (names []string) {
	for _, word := range words.FindAllString(regexp.MustCompile(`\b\d+[smhdw]\b`).ReplaceAllString(noNames.ReplaceAllString(expression, " "), " "), -1) {
		name := strings.TrimSpace(word)
		if strings.HasSuffix(name, "(") || slices.Contains([]string{"and", "or", "unless", "bool", "offset"}, name) {
			continue
		}
		names = append(names, name)
	}
	return names
}
