package diagnosis_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/diagnosis"
	"github.com/hookpass/hookpass/webhook"
)

// GitHub's own example, to which a proxy has added a line break.
func ExampleDiagnose() {
	github, err := catalog.Lookup("github")
	if err != nil {
		panic(err)
	}
	endpoint := diagnosis.Endpoint{
		Name: "github", Provider: github.ID, Scheme: github.Scheme, Tolerance: github.MaxAge(),
		Secrets: []diagnosis.Secret{{Text: func() string { return "It's a Secret to Everybody" }}},
	}
	delivery := diagnosis.Delivery{
		Received: time.Now(),
		Request: webhook.Request{
			Method: http.MethodPost, URL: "https://hooks.example.com/github", Path: "/github",
			Header: http.Header{"X-Hub-Signature-256": {"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}},
			Body:   []byte("Hello, World!\n"),
		},
	}
	f := diagnosis.Diagnose(diagnosis.Limits{}, delivery, endpoint, diagnosis.Process{})
	fmt.Println(f.Cause, f.Proven)
	fmt.Println(f.Sentence)
	// Output:
	// body_line_end true
	// The body has a line break at its end that was not sent.
}
