package caddymodule

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"

	"github.com/hookpass/hookpass/catalog"
)

// directive is what the parsing of verify_webhook and of the global option has
// in common.
type directive struct {
	*caddyfile.Dispenser

	// Where each word stands, for errors that show only when all of them are
	// read. A word of an inner block has the block's name before it, as in
	// "dedup window"; the directive itself is "".
	at map[string]caddyfile.Token
}

// newDirective begins with the directive's name.
func newDirective(d *caddyfile.Dispenser) *directive {
	d.Next()
	return &directive{Dispenser: d, at: map[string]caddyfile.Token{"": d.Token()}}
}

// enter returns the word that begins a line of a block. It refuses one that the
// block does not know, and a repeat of one that is not repeatable.
func (d *directive) enter(block string, known []string, repeatable ...string) (string, error) {
	word := d.Val()
	if !slices.Contains(known, word) {
		return "", d.unknown("word", word, known)
	}
	place := strings.TrimSpace(block + " " + word)
	if _, given := d.at[place]; given && !slices.Contains(repeatable, word) {
		return "", d.Errf("%s is given twice: remove one", word)
	}
	d.at[place] = d.Token()
	return word, nil
}

func (d *directive) unknown(what, name string, known []string) error {
	return d.Errf("unknown %s %s: did you mean %s? Known here: %s", what, name, catalog.Nearest(name, known), strings.Join(known, ", "))
}

// argument returns the one argument of the current word.
func (d *directive) argument(example string) (string, error) {
	args := d.RemainingArgs()
	if len(args) != 1 || args[0] == "" {
		return "", d.wants(example)
	}
	return args[0], nil
}

func (d *directive) duration(to *caddy.Duration, least time.Duration, example string) error {
	text, err := d.argument(example)
	if err != nil {
		return err
	}
	return d.parseDuration(text, to, least, example)
}

func (d *directive) parseDuration(text string, to *caddy.Duration, least time.Duration, example string) error {
	parsed, err := caddy.ParseDuration(text)
	switch {
	case err != nil:
		return d.Errf("%q is no duration: write it like %s", text, example)
	case parsed < least:
		return d.Errf("%s is too short: write it like %s", text, example)
	}
	*to = caddy.Duration(parsed)
	return nil
}

func (d *directive) size(to *int64, example string) error {
	text, err := d.argument(example)
	if err != nil {
		return err
	}
	parsed, err := humanize.ParseBytes(text)
	if err != nil || parsed == 0 || parsed > math.MaxInt64 {
		return d.Errf("%q is no size above zero: write it like %s", text, example)
	}
	*to = int64(parsed)
	return nil
}

func (d *directive) positive(to *int, example string) error {
	text, err := d.argument(example)
	if err != nil {
		return err
	}
	if *to, err = strconv.Atoi(strings.ReplaceAll(text, "_", "")); err != nil || *to < 1 {
		return d.Errf("%q is no number above zero: write it like %s", text, example)
	}
	return nil
}

func (d *directive) onOff(to *bool, example string) error {
	text, err := d.argument(example)
	if err != nil {
		return err
	}
	if text != "on" && text != "off" {
		return d.Errf("%q is neither on nor off: write it like %s", text, example)
	}
	*to = text == "on"
	return nil
}

// wants quotes no argument: it may be a part of a secret.
func (d *directive) wants(example string) error {
	return d.Errf("wrong arguments: write it like %s", example)
}

// source is the file and line of the current token.
func (d *directive) source() string { return fmt.Sprintf("%s:%d", d.File(), d.Line()) }

// errAt is an error about a word further up, or, if the word is not there, about
// its block.
func (d *directive) errAt(word string, err error) error {
	token := d.at[""]
	block, _, _ := strings.Cut(word, " ")
	for _, place := range []string{block, word} {
		if at, given := d.at[place]; given {
			token = at
		}
	}
	at := caddyfile.NewDispenser([]caddyfile.Token{token})
	at.Next()
	return at.WrapErr(err)
}
