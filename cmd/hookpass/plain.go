package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// plain returns a text that somebody else has written as it can be shown: nothing in
// it drives a terminal, takes two columns or none, or makes the rest of the line run
// from right to left.
func plain(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r >= ' ' && r <= '~' || r == '…' { // with which hookpass marks a cut
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// plainJSON replaces what JSON lets pass and a terminal must not get by its escapes,
// which mean the same. In a JSON text it can only be part of strings.
func plainJSON(text []byte) []byte {
	var b strings.Builder
	for _, r := range string(text) {
		switch {
		case r < utf8.RuneSelf && r != '\x7f', unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return []byte(b.String())
}
