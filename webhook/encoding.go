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
)

func parseEncoding(text string) (encoding, error) {
	switch e := encoding(text); e {
	case encodingHex, encodingBase64, encodingBase64URL:
		return e, nil
	default:
		return "", fmt.Errorf("%w: encoding %q is unknown: write hex, base64 or base64url", ErrScheme, text)
	}
}

func (e encoding) encode(sum []byte) string {
	switch e {
	case encodingHex:
		return hex.EncodeToString(sum)
	case encodingBase64URL:
		return base64.RawURLEncoding.EncodeToString(sum)
	default:
		return base64.StdEncoding.EncodeToString(sum)
	}
}

// decode turns text into exactly size bytes and reports whether it could.
func (e encoding) decode(dst *signature, text string, size int) bool {
	if e != encodingHex {
		text = strings.TrimRight(text, "=")
	}
	var src, out [2 * maxDigest]byte
	if len(text) > len(src) {
		return false
	}
	in := src[:copy(src[:], text)]
	var n int
	var err error
	switch e {
	case encodingHex:
		n, err = hex.Decode(out[:], in)
	case encodingBase64URL:
		n, err = base64.RawURLEncoding.Strict().Decode(out[:], in)
	default:
		n, err = base64.RawStdEncoding.Strict().Decode(out[:], in)
	}
	if err != nil || n != size {
		return false
	}
	copy(dst[:], out[:n])
	return true
}
