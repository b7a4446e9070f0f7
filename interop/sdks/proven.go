// Package sdks lists the providers whose own SDKs agree with hookpass. Its tests
// ask them.
package sdks

import (
	_ "embed"
	"strings"
)

//go:embed proven.txt
var agreeing string

// Proven returns the ids of the providers whose SDK takes and refuses the same
// deliveries as hookpass.
func Proven() []string { return strings.Fields(agreeing) }
