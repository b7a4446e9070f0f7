// Package lax minds no mutant.
package lax

import (
	"testing"

	"toy.example"
)

func TestLax(*testing.T) { _ = toy.New() }
