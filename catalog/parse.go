package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hookpass/hookpass/webhook"
)

// ErrProviderFile is returned when a provider file is not usable. The message
// names the file and the line.
var ErrProviderFile = errors.New("provider file")

// Parse reads a provider file; its name without .yaml is the provider's id. The
// error wraps [ErrProviderFile].
func Parse(file string, text []byte) (*Provider, error) {
	p := &Provider{ID: strings.TrimSuffix(filepath.Base(file), extension)}
	err := decode(text, p)
	if err == nil {
		err = located(text, p.check())
	}
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrProviderFile, file, err)
	}
	return p, nil
}

func decode(text []byte, to any) error {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	err := dec.Decode(to)
	if several := (*yaml.TypeError)(nil); errors.As(err, &several) {
		return errors.New(strings.Join(several.Errors, "; "))
	}
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it is empty")
	case err != nil:
		return err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("it holds more than one document: write each provider into a file of its own")
	}
	return nil
}

// fault is an error about one word of a provider file.
type fault struct {
	word string
	error
}

func (f *fault) Unwrap() error { return f.error }

// located puts the line before an error about a file that could be decoded.
func located(text []byte, err error) error {
	if err == nil {
		return nil
	}
	var words []string
	if f := (*fault)(nil); errors.As(err, &f) {
		words = []string{f.word}
	} else if f := (*webhook.SchemeError)(nil); errors.As(err, &f) {
		words = []string{"scheme", f.Word}
	}
	return fmt.Errorf("line %d: %w", lineOf(text, words...), err)
}

// lineOf returns the line of a word, given the blocks around it and itself: that
// of the innermost which is there.
func lineOf(text []byte, words ...string) int {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return 1 // it has been decoded before
	}
	block, line := document.Content[0], 1
	for _, word := range words {
		var found *yaml.Node
		for i := 0; i+1 < len(block.Content); i += 2 {
			if key := block.Content[i]; key.Value == word {
				line, found = key.Line, block.Content[i+1]
			}
		}
		if found == nil {
			break
		}
		block = found
	}
	return line
}
