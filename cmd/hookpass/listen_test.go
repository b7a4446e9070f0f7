package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// talk is what a command writes, line by line.
type talk struct{ lines chan string }

func (t talk) Write(text []byte) (int, error) {
	t.lines <- string(text)
	return len(text), nil
}

// await runs the command, and returns where it listens.
func await(t *testing.T, provider string) (address string, progress talk, ended chan error, output *bytes.Buffer) {
	t.Helper()
	output, progress, ended = new(bytes.Buffer), talk{make(chan string, 100)}, make(chan error, 1)
	l := &listen{output: output, progress: progress}
	if err := l.flags().Parse([]string{"--address", "localhost:0"}); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- l.run(t.Context(), []string{provider}) }()
	_, address, _ = strings.Cut(<-progress.lines, "http://")
	address, _, _ = strings.Cut(address, " ")
	return "http://" + address, progress, ended, output
}

func post(t *testing.T, method, address, body string) (status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || len(body) > 0 {
		t.Errorf("the answer says %q, %v", body, err)
	}
	return answer.StatusCode
}

func TestListenPrintsTheToken(t *testing.T) {
	for provider, field := range map[string]string{"notion": "verification_token", "gusto": "verification_token", "ramp": "challenge"} {
		t.Run(provider, func(t *testing.T) {
			const token = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"
			address, progress, ended, output := await(t, provider)
			for name, body := range map[string]string{
				"an event":           `{"type":"page.created"}`,
				"no JSON":            field + "=" + token,
				"nothing":            "",
				"an empty token":     `{"` + field + `":""}`,
				"a list":             `{"` + field + `":["` + token + `"]}`,
				"a terminal's words": `{"` + field + `":"\u001b]0;title\u0007"}`,
				"several words":      `{"` + field + `":"take this"}`,
				"too long":           `{"` + field + `":"` + strings.Repeat("a", maxToken+1) + `"}`,
				"too much":           `{"` + field + `":"` + token + `","x":"` + strings.Repeat("a", maxTokenBody) + `"}`,
			} {
				if status := post(t, http.MethodPost, address, body); status != http.StatusServiceUnavailable {
					t.Errorf("%s: %d", name, status)
				}
				if line := <-progress.lines; line != "Answered a request without it.\n" {
					t.Errorf("%s: told %q", name, line)
				}
			}
			body := `{"` + field + `":"` + token + `"}`
			if status := post(t, http.MethodGet, address, body); status != http.StatusServiceUnavailable {
				t.Errorf("GET: %d", status)
			}
			if status := post(t, http.MethodPost, address, body); status != http.StatusOK {
				t.Errorf("the token: %d", status)
			}
			if err := <-ended; err != nil || output.String() != token+"\n" {
				t.Errorf("printed %q, %v", output, err)
			}
			// Who comes later, with another, finds nobody.
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if answer, err := http.DefaultClient.Do(r); err == nil {
				answer.Body.Close()
				t.Error("it still listens")
			}
		})
	}
}

func TestListenForWhatNobodySends(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "name one provider"},
		{[]string{"notion", "gusto"}, "name one provider"},
		{[]string{"nothion"}, `did you mean "notion"`},
		{[]string{"stripe"}, "Stripe sends no token to wait for; its secret: "},
	} {
		l := &listen{output: io.Discard, progress: io.Discard, address: "localhost:0"}
		err := l.run(t.Context(), tt.args)
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, errNothingSent) != strings.Contains(tt.want, "sends no") {
			t.Errorf("%v: %v", tt.args, err)
		}
	}
}
