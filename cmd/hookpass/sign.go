package main

import (
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
	"unicode/utf8"
)

func init() {
	s := &send{input: os.Stdin, output: os.Stdout, progress: os.Stderr, now: time.Now}
	command{
		name:  "sign",
		usage: "<provider> (--secret-env <name> | --secret-file <path>) [--data <body>] [--event <type>] [--id <id>] [--to <url>] [--at <time>] [--json]",
		short: "Prints the header fields that make a body a genuine delivery",
		long: `
Signs a body as the provider would, and prints the header fields, one a line. The body
is signed as it is, so that it has to be sent as it is:

	hookpass sign github --secret-env GITHUB_WEBHOOK_SECRET --data @push.json

--json prints the whole request, also where the provider has the signature or the
timestamp in the address or in the body, which header fields alone do not show.
`,
		flags:         s.signFlags(),
		run:           s.runSign,
		takesProvider: true,
	}.register()
}

func (s *send) signFlags() *flag.FlagSet {
	f := flag.NewFlagSet("sign", flag.ContinueOnError)
	s.draftFlags(f)
	s.at.register(f, "The time at which it is signed (default: now)")
	f.BoolVar(&s.json, "json", false, "Print the whole request as JSON")
	f.StringVar(&s.to, "to", "http://localhost:8080/", "The endpoint's address, which some providers sign")
	return f
}

// signedRequest is a request in JSON.
type signedRequest struct {
	Method string      `json:"method"`
	URL    string      `json:"url"`
	Header http.Header `json:"header"`
	Body   string      `json:"body"`
	Base64 bool        `json:"base64,omitempty"` // of the body, which is no text
}

func (s *send) runSign(args []string) error {
	s.repeat, s.exact = 1, true
	d, err := s.draft(args)
	if err != nil {
		return err
	}
	r, err := d.sign(s.at.or(s.now()))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if s.json {
		return printJSON(s.output, inJSON(r, body))
	}
	for name, value := range fields(r.Header) {
		if _, err := fmt.Fprintf(s.output, "%s: %s\n", name, value); err != nil {
			return err
		}
	}
	if string(body) != string(d.body) || r.URL.RawQuery != d.to.RawQuery {
		_, err = fmt.Fprintln(s.progress, "The signature is not in the header alone: --json prints address and body, too.")
	}
	return err
}

func inJSON(r *http.Request, body []byte) signedRequest {
	signed := signedRequest{Method: r.Method, URL: r.URL.String(), Header: r.Header, Body: string(body)}
	if !utf8.Valid(body) {
		signed.Body, signed.Base64 = base64.StdEncoding.EncodeToString(body), true
	}
	return signed
}
