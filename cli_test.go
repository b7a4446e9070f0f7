package hookpass_test

import (
	"os"
	"path/filepath"
	"testing"
)

// Every command of docs/cli.md is run, in its order, and prints what the page says.
func TestCommandLinePage(t *testing.T) {
	s := newSetup(t)
	s.serve(`{
	webhooks {
		recent {
			bodies on
		}
	}
}
:8080 {
	route /webhooks/saltare {
		verify_webhook saltare development-secret-saltare
		respond "the application got {http.webhook.event} {http.webhook.delivery_id}"
	}
}
`)
	work := t.TempDir()
	exported := ""
	printed, ran := "", 0
	for _, b := range blocks(t, "docs/cli.md") {
		switch b.language {
		case "text":
			b.text = s.replace.Replace(b.text)
			wantLines(t, b, printed)
			ran++
		case "sh":
			command, output := s.sh(exported + b.text)
			command.Env = append(command.Env, "CADDY_ADMIN="+s.replace.Replace("ADMIN"))
			command.Dir = work
			if err := command.Run(); err != nil {
				t.Fatalf("%s:%d: %v\n%s", b.page, b.line, err, output)
			}
			printed = output.String()
			exported = "export SALTARE_SECRET=development-secret-saltare\n"
		}
	}
	if ran < 12 {
		t.Errorf("only %d examples", ran)
	}
	if _, err := os.Stat(filepath.Join(work, "discord.key.pub")); err != nil {
		t.Error(err)
	}
}
