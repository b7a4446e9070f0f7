package diagnosis

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/hookpass/hookpass/webhook"
)

// twoMistakes tries a wrong secret together with a changed body, URL or header.
func (s *search) twoMistakes() (Finding, bool) {
	if !s.complete() {
		return Finding{}, false
	}
	keys := s.spoilt(s.endpoint)
	for _, other := range s.process.Others {
		if isPublic(other.Scheme) != isPublic(s.endpoint.Scheme) {
			continue
		}
		for _, k := range labelledKeys(other, s.endpoint.Scheme.Key) {
			k.explanation = explanation{SecretOther, "It is signed with " + k.sentence + ".", ""}
			keys = append(keys, k)
		}
	}
	p := newProver(s.endpoint, s.endpoint.Scheme, 0, keys)
	if p == nil || len(p.keys) == 0 {
		return Finding{}, false
	}
	for _, requests := range []func(func(variant) bool){s.heads(), s.addresses(), s.bodies()} {
		for v := range requests {
			k, err := s.matched(p, v.request)
			if errors.Is(err, errLimit) {
				return Finding{}, false
			}
			if err != nil {
				continue
			}
			f := v.proven()
			f.Sentence += " Besides: " + k.sentence
			f.Remedy = strings.TrimSpace(f.Remedy + " " + k.remedy)
			return f, true
		}
	}
	return Finding{}, false
}

// visible reports what can be seen where nothing can be proven.
func (s *search) visible(err error) (Finding, bool) {
	h := s.delivery.Request.Header
	missing := errors.Is(err, webhook.ErrSignatureMissing)
	if missing {
		if x, found := s.fingerprint(); found {
			return x.seen(), true
		}
	}
	for _, field := range neededFields(s.endpoint.Scheme) {
		values := field.values(h)
		name := strings.Join(field.names, " or ")
		switch {
		case len(values) == 0:
			return s.absent(field, name).seen(), true
		case strings.TrimSpace(strings.Join(values, "")) == "":
			return explanation{HeaderEmpty, fmt.Sprintf("The header field %s, which has the %s, is empty.", name, field.what), "See what in front of hookpass clears it, such as a rule about credentials."}.seen(), true
		}
	}
	if s.complete() {
		if x, found := s.cutBody(); found {
			return x.seen(), true
		}
	}
	if x, found := s.secretKind(); found {
		return x.seen(), true
	}
	return Finding{}, false
}

func (s *search) absent(field needed, name string) explanation {
	x := explanation{HeaderMissing, fmt.Sprintf("There is no header field %s, which has the %s.", name, field.what), "See whether a proxy in front drops it."}
	if field.what == "signature" {
		x.remedy += " Many providers sign nothing until a secret is entered in their dashboard."
	}
	if strings.ContainsAny(name, "_.") {
		x.remedy = "Caddy drops fields with an underscore or a dot in their names: list this one under expected_underscore_headers or expected_dot_headers in the servers option."
	}
	return x
}

// cutBody sees a body that is not what its header fields say.
func (s *search) cutBody() (explanation, bool) {
	h, body := s.delivery.Request.Header, s.delivery.Request.Body
	if length, err := strconv.Atoi(h.Get("Content-Length")); err == nil && length != len(body) {
		return explanation{BodyLength, fmt.Sprintf("The body has %d bytes, and Content-Length says %d.", len(body), length), "See what cuts or rewrites the body on the way, or whether the capture is whole."}, true
	}
	compressed := len(body) > 1 && body[0] == 0x1f && body[1] == 0x8b // RFC 1952
	if strings.EqualFold(h.Get("Content-Encoding"), "gzip") && len(body) > 0 && !compressed {
		return explanation{BodyCompressed, "Content-Encoding says gzip, and the body is not compressed: it was decompressed on the way.", "Have the proxy pass the body on compressed, if that is what the provider signs."}, true
	}
	return explanation{}, false
}

// unknown says how far the search went.
func (s *search) unknown(err error) Finding {
	f := Finding{Cause: Unknown, Sentence: "The signature does not match anything that was tried.", Remedy: "Compare the secret with the one that the provider's dashboard shows for this very endpoint."}
	_, hasHost := cutAddress(s.delivery.Request.URL)
	switch {
	case s.delivery.HeadOnly:
		f.Sentence = "The head of the request does not tell why; its body was not looked into."
		f.Remedy = "Diagnose the whole request."
	case s.own == nil:
		f.Sentence = "None of the endpoint's secrets is written as the scheme needs it, and nothing that was tried matches."
	case errors.Is(err, errLimit):
		f.Sentence = "The body is too large to look for a reason."
		f.Remedy = ""
	case s.signsAddress() && !hasHost:
		f.Sentence = "The signature covers the URL, of which the request does not tell the host."
		f.Remedy = "Give the whole address at which the provider delivers."
	case !errors.Is(err, webhook.ErrSignatureMismatch):
		// What the verifier says names places, and nothing of what is there.
		f.Sentence = "The delivery cannot be verified, and nothing that was tried makes it right: " + cut(err.Error()) + "."
		f.Remedy = "Compare the request with what the provider documents."
	default:
		f.Remedy += s.modes()
	}
	return f
}

// modes remarks that the body is of another mode than the endpoint, by its name. It
// is no proof: anybody can write a body.
func (s *search) modes() string {
	says := ""
	for _, path := range []string{"livemode", "live", "live_mode", "data.livemode"} {
		switch gjson.GetBytes(s.delivery.Request.Body, path).String() {
		case "true":
			says = "live"
		case "false":
			says = "test"
		}
	}
	if ours := s.mode(); says == "" || ours == "" || says == ours {
		return ""
	}
	return fmt.Sprintf(" The body says that it is of %s mode, and the endpoint's name says otherwise.", says)
}
