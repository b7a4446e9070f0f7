package keyfetch

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/tidwall/gjson"
)

const (
	// A source says how long its keys are good for; within these bounds it is
	// believed.
	minLifetime     = 5 * time.Minute
	maxLifetime     = 24 * time.Hour
	defaultLifetime = time.Hour
)

func lifetime(header http.Header) time.Duration {
	for directive := range strings.SplitSeq(header.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if seconds, err := strconv.ParseUint(value, 10, 31); err == nil && strings.EqualFold(name, "max-age") {
			return min(max(time.Duration(seconds)*time.Second, minLifetime), maxLifetime)
		}
	}
	return defaultLifetime
}

var (
	errNoKey = errors.New("no public key in it")

	// errWithdrawn tells, other than errNoKey, that the source is not down, and that
	// what is known of it is no longer so.
	errWithdrawn = errors.New("the key has expired")
)

// parse reads keys from an answer, or from what it has at a path.
func parse(text []byte, path string) ([]jose.JSONWebKey, error) {
	if path != "" {
		switch found := gjson.GetBytes(text, path); {
		case !gjson.ValidBytes(text) || !found.Exists():
			return nil, errNoKey
		case found.Type == gjson.String:
			text = []byte(found.Str)
		default:
			text = []byte(found.Raw)
		}
	}
	text = bytes.TrimSpace(text)
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		return parseJSON(text)
	case bytes.HasPrefix(text, []byte("-----BEGIN ")):
		return parsePEM(text)
	default:
		der, err := base64.StdEncoding.DecodeString(string(text))
		if err != nil {
			return nil, errNoKey
		}
		return parseDER("PUBLIC KEY", der)
	}
}

func parseJSON(text []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, err
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{text}
	}
	var keys []jose.JSONWebKey
	failure := errNoKey
	for _, raw := range set.Keys {
		// Plaid says so of a key that it no longer signs with.
		if expired := gjson.GetBytes(raw, "expired_at"); expired.Type != gjson.Null {
			failure = errWithdrawn
			continue
		}
		var key jose.JSONWebKey
		// What cannot be read may be of a kind that is yet to come, RFC 7517 section 5.
		if err := json.Unmarshal(padded(raw), &key); err == nil && key.Use != "enc" && key.Valid() && key.IsPublic() {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, failure
	}
	return keys, nil
}

// coordinates are the sizes in bytes of a point's coordinates.
var coordinates = map[string]int{"P-256": 32, "P-384": 48, "P-521": 66}

// padded gives a point's coordinates back the leading zeros that TrueLayer leaves
// out, against RFC 7518 section 6.2.1.2.
func padded(raw []byte) []byte {
	size := coordinates[gjson.GetBytes(raw, "crv").Str]
	if size == 0 {
		return raw
	}
	members := map[string]any{}
	if json.Unmarshal(raw, &members) != nil {
		return raw
	}
	for _, name := range []string{"x", "y"} {
		text, _ := members[name].(string)
		if value, err := base64.RawURLEncoding.DecodeString(text); err == nil && len(value) < size {
			members[name] = base64.RawURLEncoding.EncodeToString(append(make([]byte, size-len(value)), value...))
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		return raw
	}
	return text
}

// eBay's keys have no line breaks, without which they are no PEM.
var lineBreaks = strings.NewReplacer("KEY-----", "KEY-----\n", "-----END", "\n-----END")

func parsePEM(text []byte) ([]jose.JSONWebKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		block, _ = pem.Decode([]byte(lineBreaks.Replace(string(text))))
	}
	if block == nil {
		return nil, errNoKey
	}
	return parseDER(block.Type, block.Bytes)
}

func parseDER(kind string, der []byte) ([]jose.JSONWebKey, error) {
	var key jose.JSONWebKey
	switch kind {
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		key.Key, key.Certificates = certificate.PublicKey, []*x509.Certificate{certificate}
	case "PUBLIC KEY":
		public, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return nil, err
		}
		key.Key = public
	default:
		return nil, errNoKey
	}
	if !key.Valid() || !key.IsPublic() {
		return nil, errNoKey
	}
	return []jose.JSONWebKey{key}, nil
}
