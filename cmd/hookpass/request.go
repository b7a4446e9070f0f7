package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hookpass/hookpass/capture"
	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/keyfetch"
	"github.com/hookpass/hookpass/webhook"
)

// maxCapture is larger than all bodies that providers send, many times.
const maxCapture = 64 << 20

// inspection is what the commands have in common that look into captured requests:
// flags, and what they touch of the world.
type inspection struct {
	input  io.Reader
	output io.Writer
	now    func() time.Time
	keys   webhook.KeySource

	requestFlags
	secretFlags
	with withFlags
	at   timeFlag
	json bool
}

func newInspection() inspection {
	return inspection{input: os.Stdin, output: os.Stdout, now: time.Now, keys: fetchedKeys{keyfetch.New(nil, nil)}}
}

// register adds the flags to f; the texts are the usage of those that differ.
func (i *inspection) register(f *flag.FlagSet, at, json string) {
	i.requestFlags.register(f)
	i.secretFlags.register(f)
	i.with = newWithFlags(f)
	i.at.register(f, at)
	f.BoolVar(&i.json, "json", false, json)
}

// each looks into every request, and returns an error if one is not genuine.
func (i *inspection) each(requests []capture.Request, look func(capture.Request) (isGenuine bool, err error)) error {
	rejected := 0
	for _, r := range requests {
		isGenuine, err := look(r)
		if err != nil {
			return err
		}
		if !isGenuine {
			rejected++
		}
	}
	if rejected > 0 {
		return fmt.Errorf("%w: %d of %d", errRejected, rejected, len(requests))
	}
	return nil
}

// requestFlags say which request is looked at, and who is said to have sent it.
type requestFlags struct {
	request, provider, providers, url string

	// Whether the body ends where the file does, as in raw HTTP: a line break there may
	// be the editor's with which it was kept.
	bodyEndsFile bool
}

func (q *requestFlags) register(f *flag.FlagSet) {
	f.StringVar(&q.request, "request", "", "Path of the captured request, or - for standard input")
	f.StringVar(&q.provider, "provider", "", "The provider's id or alias")
	f.StringVar(&q.providers, "providers", "", "A directory of provider files of your own")
	f.StringVar(&q.url, "url", "", "The address at which the provider delivers (default: the one in the capture)")
}

// read returns the requests that were captured, at least one; args is what is no
// flag.
func (q *requestFlags) read(args []string, input io.Reader) ([]capture.Request, error) {
	if len(args) > 0 || q.request == "" {
		return nil, errors.New("write the file with the request, as in --request request.http --provider stripe; - is standard input")
	}
	var text []byte
	var err error
	if q.request == "-" {
		text, err = readAll(input)
	} else {
		text, err = readFile(q.request)
	}
	if err != nil {
		return nil, err
	}
	requests, err := capture.Parse(text, readFile)
	if err != nil {
		return nil, err
	}
	q.bodyEndsFile = bytes.HasSuffix(text, requests[0].Body)
	for i := range requests {
		if q.url == "" {
			break
		}
		if err := requests[i].Address(q.url); err != nil {
			return nil, fmt.Errorf("--url: %w", err)
		}
	}
	return requests, nil
}

// readFile reads a capture, or what a curl command names as its body. That may come
// from somebody else, and be a device that has no end.
func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := readAll(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

func readAll(input io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(input, maxCapture+1))
	if err == nil && len(text) > maxCapture {
		return nil, fmt.Errorf("it is larger than %d bytes", maxCapture)
	}
	return text, err
}

// lookup returns the provider, whose parameters have to be given.
func (q *requestFlags) lookup(r capture.Request, with withFlags) (*catalog.Provider, error) {
	if q.provider == "" {
		return nil, fmt.Errorf("write --provider ID%s", candidates(r))
	}
	known := catalog.Catalogue{}
	if q.providers != "" {
		var err error
		if known, err = catalog.Open(q.providers); err != nil {
			return nil, fmt.Errorf("--providers: %w", err)
		}
	}
	provider, err := known.Lookup(q.provider)
	if err != nil {
		return nil, err
	}
	return provider, with.check(provider)
}

// candidates names the providers that sign in a field that the request has.
func candidates(r capture.Request) string {
	var ids []string
	for _, id := range catalog.IDs() {
		provider, err := catalog.Lookup(id)
		if err != nil {
			continue // the tests of the catalogue tell
		}
		words := strings.Fields(provider.Scheme.Signature + " Authorization")
		if words[0] == "header" && words[1] != "Authorization" && r.Header.Get(words[1]) != "" {
			ids = append(ids, id)
		}
	}
	const enough = 8
	switch {
	case len(ids) == 0:
		return "; hookpass providers lists them"
	case len(ids) > enough:
		ids = append(ids[:enough], "…")
	}
	return ": by its header fields it could be of " + strings.Join(ids, ", ")
}
