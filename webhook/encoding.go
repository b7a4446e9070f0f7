package webhook

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// signature holds the decoded bytes of a signature; its digest says how many count.
type signature [maxDigest]byte

// encoding is how a signature's bytes are written. It is switched on rather than
// held as a function, so that the buffers below stay on the stack.
type encoding string

const (
	encodingHex       encoding = "hex"
	encodingBase64    encoding = "base64"
	encodingBase64URL encoding = "base64url"
	encodingBase64Hex encoding = "base64hex" // base64 of the hex text
)

func parseEncoding(text string) (encoding, error) {
	switch e := encoding(text); e {
	case encodingHex, encodingBase64, encodingBase64URL, encodingBase64Hex:
		return e, nil
	default:
		return "", fmt.Errorf("%w: encoding %q is unknown: write hex, base64, base64url or base64hex", ErrScheme, text)
	}
}

func (e encoding) encode(sum []byte) string {
	switch e {
	case encodingHex:
		return hex.EncodeToString(sum)
	case encodingBase64URL:
		return base64.RawURLEncoding.EncodeToString(sum)
	case encodingBase64Hex:
		return base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(sum)))
	default:
		return base64.StdEncoding.EncodeToString(sum)
	}
}

// longest is how many times as long as a signature its text can be.
const longest = 3

// decode turns text into exactly size bytes and reports whether it could.
func (e encoding) decode(dst *signature, text string, size int) bool {
	text = e.unpadded(text)
	var src, out [longest * maxDigest]byte
	if len(text) > len(src) {
		return false
	}
	n, err := e.decodeTo(out[:], src[:copy(src[:], text)])
	if err != nil || n != size {
		return false
	}
	copy(dst[:], out[:n])
	return true
}

// bytes decodes a signature whose size is not known beforehand, and reports
// whether it could.
func (e encoding) bytes(text string, most int) ([]byte, bool) {
	text = e.unpadded(text)
	if len(text) > longest*most {
		return nil, false
	}
	out := make([]byte, len(text))
	n, err := e.decodeTo(out, []byte(text))
	return out[:n], err == nil && n <= most
}

// unpadded takes whole padding away. What is left of any other does not decode, so
// that a signature has one text with padding, and one without.
func (e encoding) unpadded(text string) string {
	if e == encodingHex || len(text)%4 != 0 {
		return text
	}
	return strings.TrimSuffix(strings.TrimSuffix(text, "="), "=")
}

func (e encoding) decodeTo(dst, src []byte) (int, error) {
	switch e {
	case encodingHex:
		return hex.Decode(dst, src)
	case encodingBase64URL:
		return base64.RawURLEncoding.Strict().Decode(dst, src)
	case encodingBase64Hex:
		n, err := base64.RawStdEncoding.Strict().Decode(dst, src)
		if err != nil {
			return 0, err
		}
		return hex.Decode(dst, dst[:n])
	default:
		return base64.RawStdEncoding.Strict().Decode(dst, src)
	}
}
