package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
)

// signs runs the command at the time of arrival.
func signs(input string, args ...string) (output, progress string, err error) {
	var text, told bytes.Buffer
	s := &send{input: strings.NewReader(input), output: &text, progress: &told, now: func() time.Time { return arrival }}
	flags := s.signFlags()
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); err != nil {
		return "", "", err
	}
	err = s.runSign(flags.Args())
	return text.String(), told.String(), err
}

func TestABodyIsSignedAsItIs(t *testing.T) {
	t.Setenv("SECRET", "sally-example-secret")
	want := `Content-Type: application/json
X-Sally-Delivery: d-1
X-Sally-Event: alert.created
X-Sally-Signature: ` + sallySignature + `
X-Sally-Timestamp: 1767225600
`
	for name, flags := range map[string][]string{
		"now":     {"--data", "{}"},
		"a time":  {"--data", "-", "--at", "2026-01-01T01:00:00+01:00"},
		"seconds": {"--data", "{}", "--at", "1767225600"},
	} {
		output, progress, err := signs("{}", append(flags, "--secret-env", "SECRET", "--id", "d-1", "--event", "alert.created", "sally")...)
		if err != nil || output != want || progress != "" {
			t.Errorf("%s: %v, %s\n%s", name, err, progress, output)
		}
	}
}

// Every provider's request is genuine to verify, also where the header alone is not.
func TestWhatIsSignedIsGenuine(t *testing.T) {
	for _, id := range sendable(t) {
		t.Run(id, func(t *testing.T) {
			p := lookup(t, id)
			given, secret := keysOf(t, p)
			if given[0] == "--secret" { // which only send has
				given = []string{"--secret-env", "SECRET"}
			}
			t.Setenv("SECRET", secret)
			var with []string
			for name := range p.With {
				with = append(with, "--with", name+"=value")
			}
			output, progress, err := signs("", append(append(given, with...), "--json", "--to", "https://hooks.example.com/in?a=b", id)...)
			if err != nil || progress != "" {
				t.Fatalf("%v, %s", err, progress)
			}
			var r signedRequest
			if err := json.Unmarshal([]byte(output), &r); err != nil {
				t.Fatal(err)
			}
			header := map[string]string{}
			for name := range r.Header {
				header[name] = r.Header.Get(name)
			}
			if output, err := verifies(raw(r.Method, r.URL, header, r.Body), append(with, "--secret-env", "SECRET", "--provider", id)...); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
}

func TestWhatTheHeaderDoesNotShowIsSaid(t *testing.T) {
	t.Setenv("SECRET", lookup(t, "mailgun").Vectors[0].Secret)
	if _, progress, err := signs("", "--secret-env", "SECRET", "--data", `{"a":1}`, "mailgun"); err != nil || !strings.Contains(progress, "--json prints address and body, too") {
		t.Errorf("%v, %s", err, progress)
	}
	t.Setenv("SECRET", "x")
	output, _, err := signs("", "--secret-env", "SECRET", "--data", "\xff", "--json", "github")
	if err != nil || !strings.Contains(output, `"body":"/w==","base64":true`) {
		t.Errorf("%v, %s", err, output)
	}
}
