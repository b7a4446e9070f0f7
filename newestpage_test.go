package hookpass_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What docs/deliveries.md tells of bodies, diagnoses and replays happens: a secret
// was pasted with its quotes, and is mended.
func TestNewestDeliveriesOfTheDocs(t *testing.T) {
	s := newSetup(t)
	const body = `{"id":"evt_1","data":{"object":{"email":"jo@example.com"}}}`
	var caddyfile, printed string
	ran := 0
	for _, b := range blocks(t, "docs/deliveries.md") {
		switch {
		case strings.Contains(b.text, "bodies on"):
			caddyfile = b.text
			s.serveStripe(caddyfile, `"\"whsec_quoted\""`)
			now := fmt.Sprint(time.Now().Unix())
			s.post(401, "/", body, "Stripe-Signature", "t="+now+",v1="+signature("whsec_quoted", now+"."+body))
			for !strings.Contains(printed, `"number":1`) && s.Context().Err() == nil { // it is kept once it has been answered
				printed = s.curl("curl localhost:2019/webhooks/deliveries/1")
			}
			if !strings.Contains(printed, `\"email\":\"[redacted]\"`) || strings.Contains(printed, "jo@") {
				t.Errorf("it is shown as %s", printed)
			}
		case b.language == "text":
			wantLines(t, b, printed)
			ran++
		case b.language == "sh":
			if strings.Contains(b.text, "/replay") {
				s.serveStripe(caddyfile, "whsec_quoted")
				if refused := s.curl("curl -w %{http_code} -H 'Origin: https://elsewhere.example' " + strings.TrimPrefix(b.text, "curl ")); !strings.Contains(refused, "403") {
					t.Errorf("another site's page is answered %s", refused)
				}
			}
			printed = s.curl(b.text)
		}
	}
	if ran != 2 || len(*s.handled) != 1 || (*s.handled)[0] != body {
		t.Errorf("%d examples, and the application got %q", ran, *s.handled)
	}
}

// serveStripe loads a Caddyfile of the page, with the secret in it.
func (s *setup) serveStripe(caddyfile, secret string) {
	s.Helper()
	s.serve(strings.ReplaceAll(caddyfile, "{env.STRIPE_WEBHOOK_SECRET}", secret))
}

// serve loads a Caddyfile that has the option webhooks.
func (s *setup) serve(caddyfile string) {
	s.Helper()
	text := strings.ReplaceAll(caddyfile, "{\n\twebhooks", "{\n\tadmin ADMIN\n\tpersist_config off\n\twebhooks")
	if err := os.WriteFile(filepath.Join(s.dir, "Caddyfile"), []byte(s.replace.Replace(text)), 0o600); err != nil {
		s.Fatal(err)
	}
	s.reload()
}

// curl returns what a command of the page prints.
func (s *setup) curl(text string) string {
	s.Helper()
	command, output := s.sh(strings.ReplaceAll(text, "localhost:2019", "ADMIN"))
	if err := command.Run(); err != nil {
		s.Fatalf("%s: %v\n%s\n%s", text, err, output, s.log)
	}
	return output.String()
}
