package webhook

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// snsMethod is how Amazon SNS signs its messages: chosen fields of the JSON body,
// and which of them depends on the message's type.
type snsMethod struct{}

func newSNSMethod(s Scheme) (method, error) {
	return snsMethod{}, s.checkKey(KeyPublic)
}

// snsFields are the signed fields by the message's type, in the order in which
// they are signed.
var snsFields = map[string][]string{
	"Notification":             {"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"},
	"SubscriptionConfirmation": {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"},
	"UnsubscribeConfirmation":  {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"},
}

// snsSigned is what is signed in every type of message.
func snsSigned() template {
	var t template
	for _, name := range []string{"Message", "MessageId", "Timestamp", "TopicArn", "Type"} {
		t = append(t, segment{kind: segmentJSON, text: name})
	}
	return t
}

// snsHashes are the digests by SignatureVersion. A topic signs with SHA-1 unless
// its owner asks for better; forging it takes a second preimage, which nobody can
// find.
var snsHashes = map[string]crypto.Hash{"1": crypto.SHA1, "2": crypto.SHA256}

func (snsMethod) wellFormed(text string) bool {
	signature, err := base64.StdEncoding.Strict().DecodeString(text)
	return err == nil && len(signature) >= minRSA/8 && len(signature) <= maxRSA/8
}

func (snsMethod) keyID(*evidence) string { return "" }

func (m snsMethod) newKey(s Secret) (key, error) {
	public, err := parsePublicKeys(string(s.bytes()))
	if err != nil {
		return nil, err
	}
	k := m.bindAll(public)
	if k == nil {
		return nil, fmt.Errorf("%w: Amazon SNS signs with RSA", ErrSecretEncoding)
	}
	return k, nil
}

func (snsMethod) bindAll(public []crypto.PublicKey) key {
	public = slices.DeleteFunc(slices.Clone(public), func(p crypto.PublicKey) bool { return !isRSA(p) })
	if len(public) == 0 {
		return nil
	}
	return snsKey(public)
}

type snsKey []crypto.PublicKey

// proves leaves the message in the request, so that its topic can be claimed.
func (k snsKey) proves(_ template, r *Request, e *evidence) (bool, error) {
	hash := snsHashes[jsonValue(r.Body, "SignatureVersion", false)]
	if hash == 0 {
		return false, fmt.Errorf("%w: SignatureVersion is neither 1 nor 2", ErrSignatureMalformed)
	}
	signed, err := snsText(r.Body)
	if err != nil {
		return false, err
	}
	h := hash.New()
	_, _ = h.Write(signed)
	digest := h.Sum(nil)
	for _, text := range e.signatures {
		signature, _ := base64.StdEncoding.DecodeString(text) // it is well-formed
		for _, public := range k {
			if rsa.VerifyPKCS1v15(public.(*rsa.PublicKey), hash, digest, signature) == nil {
				r.claims = r.Body
				return true, nil
			}
		}
	}
	return false, nil
}

// snsText is each field's name and value on lines of their own; a field that the
// message does not have is left out.
func snsText(body []byte) ([]byte, error) {
	fields := snsFields[jsonValue(body, "Type", false)]
	if fields == nil {
		return nil, fmt.Errorf("%w: the message's Type is none of Amazon SNS", ErrSignatureMalformed)
	}
	var b bytes.Buffer
	for _, name := range fields {
		if value := gjson.GetBytes(body, name); value.Type == gjson.String {
			// Else a line of the message could be read as the field behind it, and a
			// copy come with an id of the copier's choice.
			if name != "Message" && strings.Contains(value.Str, "\n") {
				return nil, fmt.Errorf("%w: %s has several lines", ErrSignatureMalformed, name)
			}
			b.WriteString(name + "\n" + value.Str + "\n")
		}
	}
	return b.Bytes(), nil
}
