package webhook

import (
	"crypto/md5" //nolint:gosec // G501: the provider signs no other digest
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// digestText is the digest of b as providers write it: lower-case hex, base64 or
// its bytes, a CRC as a decimal number; or b itself as a JSON string.
func digestText(name string, b []byte) string {
	switch name {
	case "crc32":
		return strconv.FormatUint(uint64(crc32.ChecksumIEEE(b)), 10)
	case "md5_base64":
		sum := md5.Sum(b) //nolint:gosec // G401: the provider signs no other digest
		return base64.StdEncoding.EncodeToString(sum[:])
	case "quoted":
		return quoted(b)
	}
	sum := sha256.Sum256(b)
	switch name {
	case "sha256_base64":
		return base64.StdEncoding.EncodeToString(sum[:])
	case "sha256_raw":
		return string(sum[:])
	default:
		return hex.EncodeToString(sum[:])
	}
}

var shortEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

// quoted is b as JavaScript's JSON.stringify writes a text (ECMA-262): unlike
// encoding/json, it escapes nothing that JSON does not want escaped. Working on
// bytes, it never makes one text of two.
func quoted(b []byte) string {
	var text strings.Builder
	text.WriteByte('"')
	for _, c := range b {
		escape, isShort := shortEscapes[rune(c)]
		switch {
		case isShort:
			text.WriteString(escape)
		case c < ' ':
			fmt.Fprintf(&text, `\u%04x`, c)
		default:
			text.WriteByte(c)
		}
	}
	text.WriteByte('"')
	return text.String()
}
