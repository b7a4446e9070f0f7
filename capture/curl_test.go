package capture

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hookpass/hookpass/internal/programs"
	"github.com/hookpass/hookpass/webhook"
)

// What a command is read as is what curl sends when bash runs it.
func TestCurlSendsWhatIsRead(t *testing.T) {
	arrived := make(chan Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		arrived <- Request{Request: webhook.Request{Method: r.Method, URL: "http://" + r.Host + r.URL.RequestURI(), Header: r.Header, Body: body}}
	}))
	defer server.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "body"), []byte("a\r\nb\x00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, name)) }
	for _, command := range []string{
		`curl ADDRESS`,
		`curl -XPUT ADDRESS/in?a=b -d x`,
		`curl --url ADDRESS/a%2Fb -d 'a=b' -d c --data-raw @d --data-binary 'e
f'`,
		`curl ADDRESS/in -d @body`,
		`curl ADDRESS/in --data-binary @body -H 'Content-Type:'`,
		`curl ADDRESS/in --json '{"a":"\u00e9"}' --json '[]' -H 'Accept: text/plain'`,
		`curl ADDRESS/in -H 'X-A: 1' -H "X-A:  2 " -H 'X-Empty;' -H 'X-None:' -d ''`,
		`curl ADDRESS/in -u 'user:pass word' -A agent -e http://from/ -b 'a=b; c=d'`,
		`curl ADDRESS/in -u user:pass -H 'Authorization: Bearer x'`,
		`curl -isSLd "a\"\\\n\x b" -H 'Host: other.example:8443' 'ADDRESS/in?x=%20y'`,
		`curl ADDRESS/in --data-urlencode 'a=é b+c&d~-_.*' --data-urlencode 'x y' --data-urlencode '=z='`,
		`curl ADDRESS/in --data-raw $'\'\x41\u00e9\U0001f680\n\t\\\101\?\q"'`,
		`curl \
			ADDRESS/in \
			--data-raw a'b'"c"\ d`,
	} {
		t.Run(command, func(t *testing.T) {
			programs.Need(t, "curl")
			text := strings.ReplaceAll(command, "ADDRESS", server.URL)
			run := exec.CommandContext(t.Context(), "bash", "-c", text)
			run.Dir = dir
			run.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C.UTF-8")
			if output, err := run.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			all, err := Parse([]byte(text), files)
			if err != nil {
				t.Fatal(err)
			}
			read, got := all[0], <-arrived
			for name, value := range map[string]string{"User-Agent": "curl/", "Accept": "*/*", "Content-Length": ""} {
				if strings.HasPrefix(got.Header.Get(name), value) {
					got.Header.Del(name) // what curl adds by itself
				}
			}
			if read.Method != got.Method || read.URL != got.URL || string(read.Body) != string(got.Body) || !reflect.DeepEqual(read.Header, got.Header) {
				t.Errorf("it is read as\n%s %s\n%v\n%q\nand curl sends\n%s %s\n%v\n%q", read.Method, read.URL, read.Header, read.Body, got.Method, got.URL, got.Header, got.Body)
			}
		})
	}
}
