package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/go-jose/go-jose/v4"

	"github.com/hookpass/hookpass/capture"
	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/diagnosis"
	"github.com/hookpass/hookpass/keyfetch"
	"github.com/hookpass/hookpass/webhook"
)

// The exit codes of explain, beside 0 and 1.
const (
	exitExplained   = 2
	exitUnexplained = 3
)

// patient is for somebody who waits for the answer: some seconds at most.
var patient = diagnosis.Limits{Variants: 100_000, Bytes: 256 << 20}

func init() {
	e := &explain{input: os.Stdin, output: os.Stdout, keys: fetchedKeys{keyfetch.New(nil, nil)}}
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "explain",
		Usage: "--request <file> --provider <id> --secret-env <name> [--secret-file <path>] [--url <url>] [--at <time>] [--with <name=value>] [--providers <directory>] [--json]",
		Short: "Tells why a captured delivery was refused",
		Long: `
Reads a request that somebody has kept, as raw HTTP, HTTP Archive (HAR) or a curl
command, and undoes the mistakes that are made with webhooks, one after another,
until its signature is right:

	hookpass explain --request refused.http --provider stripe --secret-env STRIPE_WEBHOOK_SECRET

It prints what went wrong, what to do, and whether that is proven. With "-", the
request comes from standard input. --url is the address that the provider has,
where proxies or the capture have changed it. How old the delivery was when it
arrived is judged where the capture tells, or --at.

The exit code is 0 if the delivery is genuine and nothing is wrong, 2 if it was found
what is, 3 if not, and 1 if there is nothing to look into. Of several requests, the
highest counts.
`,
		Flags: e.flags(),
		Func: func(flags caddycmd.Flags) (int, error) {
			code, err := e.run(flags.Args())
			if err != nil {
				return caddy.ExitCodeFailedStartup, err
			}
			if code != 0 {
				os.Exit(code) // Caddy would call it an error
			}
			return caddy.ExitCodeSuccess, nil
		},
	})
}

// fetchedKeys are those that providers publish.
type fetchedKeys struct{ *keyfetch.Cache }

// Keys implements [webhook.KeySource].
func (f fetchedKeys) Keys(r webhook.KeyRequest, id string) ([]jose.JSONWebKey, error) {
	return f.Cache.Keys(keyfetch.Request(r), id)
}

// explain is the command: its flags, and what it touches of the world.
type explain struct {
	input  io.Reader
	output io.Writer
	keys   webhook.KeySource

	request, provider, url, providers string
	secrets                           []diagnosis.Secret
	at                                time.Time
	with                              map[string]string
	json                              bool

	captured []byte // the request as it was kept
}

func (e *explain) flags() *flag.FlagSet {
	f := flag.NewFlagSet("explain", flag.ContinueOnError)
	f.StringVar(&e.request, "request", "", "Path of the captured request, or - for standard input")
	f.StringVar(&e.provider, "provider", "", "The provider's id or alias")
	f.StringVar(&e.providers, "providers", "", "A directory of provider files of your own")
	f.StringVar(&e.url, "url", "", "The address at which the provider delivers (default: the one in the capture)")
	f.BoolVar(&e.json, "json", false, "Print a line of JSON for each request")
	e.with = map[string]string{}
	f.Func("secret-env", "Name of the environment variable that holds the secret; repeatable", e.addSecretEnv)
	f.Func("secret-file", "Path of the file that holds the secret, of which a line break at its end is no part; repeatable", e.addSecretFile)
	f.Func("with", "A parameter of the provider, as NAME=VALUE; repeatable", e.addWith)
	f.Func("at", "When it arrived, as in 2026-01-01T00:00:00Z (default: when the capture says)", e.setTime)
	return f
}

func (e *explain) addSecretEnv(name string) error {
	text := os.Getenv(name)
	if text == "" {
		return fmt.Errorf("the environment has no %s, or it is empty", name)
	}
	e.addSecret(name, text)
	return nil
}

func (e *explain) addSecretFile(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	// As Caddy reads {file.PATH}, so that one file serves both.
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if text == "" {
		return errors.New("it is empty")
	}
	e.addSecret(path, text)
	return nil
}

func (e *explain) addSecret(label, text string) {
	e.secrets = append(e.secrets, diagnosis.Secret{Label: label, Text: func() string { return text }})
}

func (e *explain) addWith(text string) error {
	name, value, _ := strings.Cut(text, "=")
	if name == "" || value == "" {
		return errors.New("write NAME=VALUE")
	}
	e.with[name] = value
	return nil
}

func (e *explain) setTime(text string) (err error) {
	e.at, err = time.Parse(time.RFC3339, text)
	return err
}

// run explains every request of the capture, and returns the exit code; args is what
// is no flag.
func (e *explain) run(args []string) (code int, err error) {
	if len(args) > 0 {
		return 0, fmt.Errorf("%q is no flag: write hookpass explain --request FILE --provider ID --secret-env NAME", args[0])
	}
	endpoint, err := e.endpoint()
	if err != nil {
		return 0, err
	}
	requests, err := e.read()
	if err != nil {
		return 0, err
	}
	for _, r := range requests {
		if e.url != "" {
			if err := r.Address(e.url); err != nil {
				return 0, fmt.Errorf("--url: %w", err)
			}
		}
		f := e.diagnose(r, endpoint)
		if err := e.print(r, f); err != nil {
			return 0, err
		}
		switch f.Cause {
		case diagnosis.Genuine:
		case diagnosis.Unknown:
			code = exitUnexplained
		default:
			code = max(code, exitExplained)
		}
	}
	return code, nil
}

// endpoint is what the flags describe.
func (e *explain) endpoint() (diagnosis.Endpoint, error) {
	if e.provider == "" {
		return diagnosis.Endpoint{}, errors.New("--provider is missing: hookpass providers --header NAME tells who sends a header field")
	}
	known := catalog.Catalogue{}
	if e.providers != "" {
		var err error
		if known, err = catalog.Open(e.providers); err != nil {
			return diagnosis.Endpoint{}, fmt.Errorf("--providers: %w", err)
		}
	}
	p, err := known.Lookup(e.provider)
	if err != nil {
		return diagnosis.Endpoint{}, fmt.Errorf("--provider: %w", err)
	}
	facts, err := p.Scheme.Facts()
	switch {
	case err != nil:
		return diagnosis.Endpoint{}, err
	case facts.FetchesKeys && len(e.secrets) > 0:
		return diagnosis.Endpoint{}, fmt.Errorf("%s has no secret: its keys are published: leave --secret-env and --secret-file out", p.ID)
	case !facts.FetchesKeys && len(e.secrets) == 0:
		return diagnosis.Endpoint{}, errors.New("no secret: write --secret-env NAME or --secret-file PATH")
	}
	for _, name := range facts.Parameters {
		if e.with[name] == "" {
			return diagnosis.Endpoint{}, fmt.Errorf("--with %s=VALUE is missing: %s", name, p.With[name])
		}
	}
	return diagnosis.Endpoint{
		Name: p.ID, Provider: p.ID, Scheme: p.Scheme, Secrets: e.secrets,
		Tolerance: p.MaxAge(), With: e.with, PublicURL: e.url, Keys: e.keys,
	}, nil
}

func (e *explain) read() ([]capture.Request, error) {
	var text []byte
	var err error
	folder := "."
	switch e.request {
	case "":
		return nil, errors.New("--request is missing: write the path of the captured request, or -")
	case "-":
		text, err = io.ReadAll(e.input)
	default:
		folder = filepath.Dir(e.request)
		text, err = os.ReadFile(e.request)
	}
	if err != nil {
		return nil, fmt.Errorf("--request: %w", err)
	}
	e.captured = text
	requests, err := capture.Parse(text, func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(folder, name)
		}
		return os.ReadFile(name)
	})
	if err != nil {
		return nil, fmt.Errorf("--request %s: %w", e.request, err)
	}
	return requests, nil
}

func (e *explain) diagnose(r capture.Request, endpoint diagnosis.Endpoint) diagnosis.Finding {
	d := diagnosis.Delivery{Request: r.Request, Received: r.Time}
	if !e.at.IsZero() {
		d.Received = e.at
	}
	if d.Received.IsZero() {
		d.Received, endpoint.Tolerance = time.Now(), 0
	}
	f := diagnosis.Diagnose(patient, d, endpoint, diagnosis.Process{})
	// Where the body ends with the file, and nothing tells how long it was, a line break
	// there may be the editor's with which the request was kept.
	open := r.Header.Get("Content-Length") == "" && bytes.HasSuffix(e.captured, r.Body)
	if cut := bytes.TrimRight(r.Body, "\r\n"); f.Cause == diagnosis.BodyLineEnd && open && len(cut) < len(r.Body) {
		d.Request.Body = cut
		return diagnosis.Diagnose(patient, d, endpoint, diagnosis.Process{})
	}
	return f
}

func (e *explain) print(r capture.Request, f diagnosis.Finding) error {
	if e.json {
		enc := json.NewEncoder(e.output)
		enc.SetEscapeHTML(false)
		return enc.Encode(f)
	}
	sure := "not proven"
	if f.Proven {
		sure = "proven"
	}
	_, err := fmt.Fprintf(e.output, "%s %q: %s, %s\n  %s\n  %s\n", r.Method, cmp.Or(r.Path, "/"), f.Cause, sure, f.Sentence, cmp.Or(f.Remedy, "There is nothing to do."))
	return err
}
