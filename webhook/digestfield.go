package webhook

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"

	"github.com/dunglas/httpsfv"
)

// digests are what Content-Digest says of the body (RFC 9530 section 2).
type digests struct{ sha256, sha512 []byte }

// readDigests skips algorithms that are insecure or unknown, but does not take
// them for enough (RFC 9530 section 5).
func readDigests(r *Request) (d digests, err error) {
	field, err := httpsfv.UnmarshalDictionary(r.Header["Content-Digest"])
	if err != nil {
		return d, fmt.Errorf("Content-Digest is not written as RFC 9530 says: %w", err)
	}
	for name, known := range map[string]struct {
		to   *[]byte
		size int
	}{"sha-256": {&d.sha256, sha256.Size}, "sha-512": {&d.sha512, sha512.Size}} {
		member, has := field.Get(name)
		if !has {
			continue
		}
		item, _ := member.(httpsfv.Item)
		if *known.to, _ = item.Value.([]byte); len(*known.to) != known.size {
			return d, fmt.Errorf("the %s of Content-Digest is not of %d bytes", name, known.size)
		}
	}
	if d.sha256 == nil && d.sha512 == nil {
		return d, errors.New("Content-Digest has neither sha-256 nor sha-512")
	}
	return d, nil
}

// fit reports whether all of them are those of body.
func (d digests) fit(body []byte) bool {
	if d.sha256 != nil {
		if sum := sha256.Sum256(body); !bytes.Equal(d.sha256, sum[:]) {
			return false
		}
	}
	if d.sha512 != nil {
		if sum := sha512.Sum512(body); !bytes.Equal(d.sha512, sum[:]) {
			return false
		}
	}
	return true
}
