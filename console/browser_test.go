package console

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookpass/hookpass/internal/nodejs"
	"github.com/hookpass/hookpass/internal/programs"
)

var update = flag.Bool("update", false, "write the pictures in docs/console")

// A browser uses the page, in front of endpoints that get real deliveries:
// browser/page.test.mjs is what it does.
func TestBrowser(t *testing.T) {
	programs.Need(t, "chromium")
	nodejs.Install(t, "browser")
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), `"fail"`) {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer application.Close()

	s := serve(t, "webhooks {\ndelivery_log {\noutput discard\n}\nrecent {\ncapacity 2000\nbodies on\nredact **.email\n}\n}", strings.ReplaceAll(endpoints, "APP", application.Listener.Addr().String()))
	reload := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return // a page of another site
		}
		if err := s.load(); err != nil {
			t.Error(err)
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer reload.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "node", "--test", "--test-reporter", "spec", "page.test.mjs")
	command.Dir = "browser"
	for _, file := range []string{"page.test.mjs", "site.mjs"} { // go test keeps a result until what was looked at changes
		if _, err := os.Stat(filepath.Join(command.Dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	command.Env = append(os.Environ(), "CHROMIUM="+chromium, "SITE=http://"+s.address, "RELOAD="+reload.URL, fmt.Sprint("PICTURES=", *update))
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	} else if testing.Verbose() {
		t.Logf("%s", output)
	}
}

const endpoints = `
	handle_path /console/* {
		webhook_console
	}
	handle /hooks/orders {
		verify_webhook saltare {
			name orders
			secret orders-old-secret previous
			secret orders-secret current
		}
		reverse_proxy APP
	}
	handle /hooks/code {
		verify_webhook github {
			name code
			secret code-secret
		}
		reverse_proxy APP
	}
	handle /hooks/payments {
		verify_webhook stripe {
			name payments
			secret payments-secret
			events charge.* invoice.paid
			mode monitor
		}
		reverse_proxy APP
	}
`

// The pictures in the documentation are those of this page.
func TestPicturesAreThere(t *testing.T) {
	text, err := os.ReadFile("../docs/console.md")
	if err != nil {
		t.Fatal(err)
	}
	pictures, err := filepath.Glob("../docs/console/*.png")
	if err != nil || len(pictures) == 0 {
		t.Fatalf("%d pictures, %v: go test ./console -run Browser -update makes them", len(pictures), err)
	}
	for _, picture := range pictures {
		if !strings.Contains(string(text), "](console/"+filepath.Base(picture)+")") {
			t.Errorf("docs/console.md does not show %s", picture)
		}
		if info, err := os.Stat(picture); err != nil || info.Size() > 150_000 {
			t.Errorf("%s has more than 150 kB, or %v", picture, err)
		}
	}
	if shown := strings.Count(string(text), "](console/"); shown != len(pictures) {
		t.Errorf("docs/console.md shows %d pictures, and there are %d", shown, len(pictures))
	}
}
