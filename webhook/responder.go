package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// InBody reports whether it takes the body to recognise the question.
func (r *Responder) InBody() bool {
	return slices.ContainsFunc(r.when, func(c condition) bool { return !c.place.inHead() })
}

// Answer returns the reply to a request, nil if it is not this handshake, and an
// error that wraps [ErrSignatureMismatch] if it lacks the required value, or
// [ErrClaimsInvalid] if it names another URL to be visited than the handshake
// trusts. A signed question must have been verified.
func (r *Responder) Answer(request *Request) (*Reply, error) {
	if request.Method != r.Method {
		return nil, nil //nolint:nilnil // the documented "no such handshake"
	}
	for _, c := range r.when {
		if holds, err := c.holds(request); err != nil || !holds {
			return nil, err
		}
	}
	if r.require != nil {
		if holds, err := r.require.holds(request); err != nil || !holds {
			return nil, &HandshakeError{r.refuse}
		}
	}
	if signs, err := r.wouldSign(request); err != nil || signs {
		return nil, &HandshakeError{r.refuse}
	}
	return r.reply(request)
}

// wouldSign reports whether anybody at all asks for a digest, under the secret, of
// what could be a delivery's body. The answer would be its signature. Challenges
// are short and of letters, digits and a few signs; JSON and forms are not.
func (r *Responder) wouldSign(request *Request) (bool, error) {
	if !r.Unsigned || r.compute == nil || !r.compute.isKeyed {
		return false, nil
	}
	text, err := r.compute.of.render(request)
	return !isChallenge(text), err
}

// maxChallenge is longer than any challenge that a provider sends.
const maxChallenge = 256

func isChallenge(text string) bool {
	return len(text) <= maxChallenge && !strings.ContainsFunc(strings.TrimRight(text, "="), func(c rune) bool {
		return c >= 0x80 || !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("-._~+/", c)
	})
}

func (c *condition) holds(r *Request) (bool, error) {
	got, err := c.place.Value(r)
	if err != nil || got == "" {
		return false, nil //nolint:nilerr // conflicting values are no question
	}
	if c.any {
		return true, nil
	}
	if c.pattern != nil {
		return c.pattern.MatchString(got), nil
	}
	want, err := c.want.render(r)
	if err != nil {
		return false, err
	}
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return hmac.Equal(a[:], b[:]), nil
}

func (r *Responder) reply(request *Request) (*Reply, error) {
	computed, err := r.compute.value(request)
	if err != nil {
		return nil, err
	}
	reply := &Reply{Status: r.status, Header: map[string]string{}}
	if r.visit != nil {
		address, trusted := r.visit.address(request)
		if !trusted {
			return nil, fmt.Errorf("%w: the URL to be visited is none that is trusted", ErrClaimsInvalid)
		}
		reply.Visit = address
	}
	for name, text := range r.header {
		if reply.Header[name], err = text.render(request, computed); err != nil {
			return nil, err
		}
		if r.Unsigned && !isChallenge(reply.Header[name]) {
			return nil, &HandshakeError{r.refuse} // a stranger's text is no header field of ours
		}
	}
	if len(r.json) == 0 {
		reply.Body, err = r.text.render(request, computed)
		if reply.Body != "" {
			reply.Header["Content-Type"] = "text/plain; charset=utf-8"
		}
		return reply, err
	}
	object := make(map[string]any, len(r.json))
	for name, value := range r.json {
		object[name] = value
		if text, ok := value.(answerText); ok {
			if object[name], err = text.render(request, computed); err != nil {
				return nil, err
			}
		}
	}
	body, err := json.Marshal(object)
	reply.Header["Content-Type"], reply.Body = "application/json", string(body)
	return reply, err
}

func (c *computation) value(r *Request) (string, error) {
	if c == nil {
		return "", nil
	}
	of, err := c.of.render(r)
	if err != nil {
		return "", err
	}
	digest := sha256.New()
	if c.isKeyed {
		digest = hmac.New(c.hash.New, c.keyed.bytes())
	}
	digest.Write([]byte(of))
	return c.encoding.encode(digest.Sum(nil)), nil
}

func (a answerText) render(r *Request, computed string) (string, error) {
	var b strings.Builder
	for _, piece := range a {
		if piece == nil {
			b.WriteString(computed)
			continue
		}
		text, err := piece.render(r)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// text is a sink for what is short.
type text struct{ strings.Builder }

func (t *text) write(b []byte)       { t.Write(b) }
func (t *text) writeString(s string) { t.WriteString(s) }

func (t template) render(r *Request) (string, error) {
	var to text
	err := t.writeTo(&to, r, signedFields{})
	return to.String(), err
}
