package hookpass_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Every snippet of docs/caddy.md does what the page says of it.
func TestCaddyPage(t *testing.T) {
	p := newCaddyPage(t, newSetup)
	ranges := filepath.Join(p.dir, "stripe-ranges")
	if err := os.WriteFile(ranges, []byte("@elsewhere not client_ip 203.0.113.7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for title, check := range map[string]func(){
		"Several endpoints": p.several,
		"Several domains":   p.domains,
		"Behind a CDN, an ingress or a load balancer": p.behindProxy,
		"Senders by their address":                    p.addresses,
		"Too many at once":                            p.tooMany,
		"Answers to what is refused":                  p.answers,
		"The verdict in the access log":               p.verdicts,
		"Access logs without secrets":                 p.redacted,
		"Header fields with underscores":              p.underscores,
	} {
		p.load(title)
		check()
		delete(p.snippets, title)
	}
	for title := range p.snippets {
		t.Errorf("nobody tests %q", title)
	}
	p.logs()
}

// heading is the title above a block.
func heading(t *testing.T, b block) string {
	t.Helper()
	text, err := os.ReadFile(b.page)
	if err != nil {
		t.Fatal(err)
	}
	title := ""
	for _, line := range strings.Split(string(text), "\n")[:b.line] {
		if of, is := strings.CutPrefix(line, "## "); is {
			title = of
		}
	}
	return title
}

type caddyPage struct {
	*setup
	snippets map[string][]string // by title
	sent     *[]string           // ids of deliveries
}

func newCaddyPage(t *testing.T, start func(*testing.T) *setup) caddyPage {
	t.Helper()
	for name, secret := range map[string]string{
		"STRIPE_WEBHOOK_SECRET": "stripe", "GITHUB_WEBHOOK_SECRET": "github", "GITLAB_WEBHOOK_SECRET": "gitlab-token", "STRIPE_SECRET_EU": "eu",
		"STRIPE_SECRET_US": "us", "SQUARE_SIGNATURE_KEY": "square", "ACME_SECRET": "acme",
	} {
		t.Setenv(name, secret)
	}
	p := caddyPage{start(t), map[string][]string{}, new([]string)}
	for _, b := range blocks(t, "docs/caddy.md") {
		title := heading(t, b)
		p.snippets[title] = append(p.snippets[title], b.text)
	}
	return p
}

// load gives hookpass the Caddyfile below a title. Domains become ones without
// certificates.
func (p caddyPage) load(title string) {
	p.Helper()
	if p.snippets[title] == nil {
		p.Fatalf("the page has nothing on %q", title)
	}
	text := p.snippets[title][len(p.snippets[title])-1]
	p.configure(strings.NewReplacer("eu.example.com {", "http://eu.example.com:8080 {", "us.example.com {", "http://us.example.com:8080 {").Replace(text))
	p.reload()
}

// deliver posts a delivery, and wants the status.
func (p caddyPage) deliver(status int, url, body string, header http.Header) string {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	r.Close = true
	r.Header, r.Host = header, header.Get("Host")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status {
		p.Errorf("answered %s %s, %v; want %d", answer.Status, text, err, status)
	}
	return string(text)
}

// stripe is a delivery that nobody has sent yet.
func (p caddyPage) stripe(secret string) (body string, header http.Header) {
	*p.sent = append(*p.sent, "")
	body = fmt.Sprintf(`{"id":"evt_%d","type":"charge.succeeded"}`, len(*p.sent))
	now := time.Now().Unix()
	return body, http.Header{"Stripe-Signature": {fmt.Sprintf("t=%d,v1=%s", now, signature(secret, fmt.Sprintf("%d.%s", now, body)))}}
}

func (p caddyPage) deliverStripe(status int, secret string) string {
	p.Helper()
	body, header := p.stripe(secret)
	return p.deliver(status, p.address+"/webhooks/stripe", body, header)
}

func (p caddyPage) several() {
	p.deliverStripe(http.StatusOK, "stripe")
	p.deliverStripe(http.StatusUnauthorized, "github")
	p.deliver(http.StatusOK, p.address+"/webhooks/github", "{}", http.Header{"X-Hub-Signature-256": {"sha256=" + signature("github", "{}")}})
	p.deliver(http.StatusNotFound, p.address+"/", "{}", http.Header{})
}

func (p caddyPage) domains() {
	body, header := p.stripe("eu")
	header.Set("Host", "eu.example.com")
	p.deliver(http.StatusOK, p.address+"/webhooks/stripe", body, header)
	header.Set("Host", "us.example.com")
	p.deliver(http.StatusUnauthorized, p.address+"/webhooks/stripe", body, header)
	body, header = p.stripe("us")
	header.Set("Host", "us.example.com")
	p.deliver(http.StatusOK, p.address+"/webhooks/stripe", body, header)
}

func (p caddyPage) behindProxy() {
	const body = `{"event_id":"square-1","type":"payment.updated"}`
	digest := hmac.New(sha256.New, []byte("square"))
	digest.Write([]byte("https://hooks.example.com/webhooks/square" + body))
	p.deliver(http.StatusOK, p.address+"/webhooks/square", body, http.Header{
		"X-Square-Hmacsha256-Signature": {base64.StdEncoding.EncodeToString(digest.Sum(nil))},
		"X-Forwarded-For":               {"192.0.2.1, 203.0.113.7"}, // the first is what the sender made up
	})
}

func (p caddyPage) addresses() {
	list := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/list":
			_, _ = io.WriteString(w, "203.0.113.7\n127.0.0.1\n::1\n")
		case "/page":
			_, _ = io.WriteString(w, "<html>not here</html>")
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer list.Close()
	from := func(path string) string {
		return strings.ReplaceAll(p.snippets["Senders by their address"][0], "https://stripe.com/files/ips/ips_webhooks.txt", list.URL+path)
	}
	p.deliverStripe(http.StatusForbidden, "stripe")
	p.run(from("/list"))
	p.reload()
	p.deliverStripe(http.StatusOK, "stripe")
	for _, path := range []string{"/page", "/error"} {
		if command, _ := p.sh(from(path)); command.Run() == nil {
			p.Errorf("%s did for a list", path)
		}
		p.reload()
		p.deliverStripe(http.StatusOK, "stripe")
	}
}

func (p caddyPage) tooMany() {
	const most = 4
	arrived, leave := make(chan struct{}, most), make(chan struct{})
	stay := func() {
		arrived <- struct{}{}
		<-leave
	}
	p.meet.Store(&stay)
	ended := make(chan struct{})
	for range most {
		body, header := p.stripe("stripe")
		go func() {
			defer func() { ended <- struct{}{} }()
			p.deliver(http.StatusOK, p.address+"/webhooks/stripe", body, header)
		}()
	}
	for range most {
		<-arrived
	}
	p.deliverStripe(http.StatusServiceUnavailable, "stripe")
	close(leave)
	for range most {
		<-ended
	}
	p.meet.Store(nil)
	p.deliverStripe(http.StatusOK, "stripe")
}

func (p caddyPage) answers() {
	if got := p.deliverStripe(http.StatusUnauthorized, "forger"); !strings.HasPrefix(got, "refused, as ") || strings.Contains(got, "{") {
		p.Errorf("a forger is told %q", got)
	}
	fail := func() { panic(http.ErrAbortHandler) }
	p.meet.Store(&fail)
	if got := p.deliverStripe(http.StatusBadGateway, "stripe"); got != "not handled, please try again" {
		p.Errorf("the provider is told %q", got)
	}
	p.meet.Store(nil)
}

func (p caddyPage) verdicts() {
	p.deliverStripe(http.StatusOK, "stripe")
	p.deliverStripe(http.StatusUnauthorized, "forger")
}

func (p caddyPage) redacted() {
	p.deliver(http.StatusOK, p.address+"/webhooks/gitlab?token=gitlab-token", "{}", http.Header{"X-Gitlab-Token": {"gitlab-token"}})
}

func (p caddyPage) underscores() {
	const body = `{"id":"acme-1"}`
	p.deliver(http.StatusOK, p.address+"/webhooks/acme", body, http.Header{"X_Acme_Signature": {signature("acme", body)}})
}

// logs looks at what was logged once all of it is there.
func (p caddyPage) logs() {
	p.tellsNobody("gitlab-token")
	var verdicts []string
	p.lines("access.log", func(line map[string]any) {
		if verdict, has := line["webhook_verdict"]; has {
			verdicts = append(verdicts, fmt.Sprint(verdict, " ", line["webhook_reason"], " ", line["webhook_delivery"] != ""))
		}
	})
	if got := strings.Join(verdicts, ", "); got != "forwarded  true, rejected signature_mismatch false" {
		p.Errorf("the access log has %s", got)
	}
	p.lines("deliveries.log", func(line map[string]any) {
		if line["provider"] == "square" && line["remote"] != "203.0.113.7" {
			p.Errorf("Square's sender is %v", line["remote"])
		}
	})
}

func (p caddyPage) lines(name string, each func(line map[string]any)) {
	p.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil || len(text) == 0 {
		p.Fatalf("%s: %d bytes, %v", name, len(text), err)
	}
	for written := range strings.Lines(string(text)) {
		var line map[string]any
		if err := json.Unmarshal([]byte(written), &line); err != nil {
			p.Fatalf("%s: %v", name, err)
		}
		each(line)
	}
}
