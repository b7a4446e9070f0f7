package catalog

import (
	_ "embed"
	"errors"
	"fmt"
	"sync"
)

//go:embed unsigned.yaml
var unsignedFile []byte

// ErrUnsigned is returned when a provider signs nothing, so that no file can
// tell its deliveries from forged ones. The message says what to do instead.
var ErrUnsigned = errors.New("signs nothing")

// Unsigned is a provider that signs nothing.
type Unsigned struct {
	// The provider's name as it writes it.
	Name string `yaml:"name" json:"name"`

	// The page that describes its webhooks.
	Docs string `yaml:"docs" json:"docs"`

	// What it sends, and what of it proves nothing.
	Why string `yaml:"why" json:"why"`

	// What to do about it.
	Instead string `yaml:"instead" json:"instead"`
}

// UnsignedProviders returns the providers known to sign nothing, by id.
var UnsignedProviders = sync.OnceValue(func() map[string]Unsigned {
	var all map[string]Unsigned
	if err := decode(unsignedFile, &all); err != nil {
		panic(fmt.Errorf("unsigned.yaml: %w", err)) // it is built in, and tested
	}
	return all
})
