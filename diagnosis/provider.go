package diagnosis

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

// description tries other descriptions of the same signature: what is wrong with a
// scheme that somebody wrote by hand.
func (s *search) description(err error) (Finding, bool) {
	if errors.Is(err, webhook.ErrSignatureMissing) {
		return Finding{}, false
	}
	for _, c := range s.descriptions() {
		p := newProver(s.endpoint, c.scheme, 0, asConfigured(s.endpoint.Secrets, c.scheme.Key))
		if _, err := s.matched(p, &s.delivery.Request); err == nil && s.complete() {
			return c.proven(), true
		}
	}
	return Finding{}, false
}

type described struct {
	explanation
	scheme webhook.Scheme
}

func (s *search) descriptions() []described {
	scheme := s.endpoint.Scheme
	if scheme.Type != webhook.TypeHMAC && scheme.Type != webhook.TypeDigest {
		return nil
	}
	remedy := func(word, text string) string {
		if s.endpoint.Provider == "" {
			return fmt.Sprintf("Write %s %s in the scheme.", word, text)
		}
		return "Check that the endpoint names the right provider; if it does, what the catalogue says of it is out of date: report it."
	}
	encodings := []string{"hex", "base64", "base64url", "base64hex"}
	algorithms := []string{"sha256", "sha1", "sha512", "sha384", "md5"}
	var all []described
	for _, encoding := range encodings {
		if encoding == scheme.Encoding {
			continue
		}
		other := scheme
		other.Encoding = encoding
		all = append(all, described{explanation{Encoding, fmt.Sprintf("The signature is written in %s and not in %s.", encoding, scheme.Encoding), remedy("encoding", encoding)}, other})
	}
	for _, algorithm := range algorithms {
		for _, encoding := range encodings {
			if algorithm != scheme.Algorithm {
				other := scheme
				other.Algorithm, other.Encoding = algorithm, encoding
				all = append(all, described{explanation{Algorithm, fmt.Sprintf("The signature is made with %s and not with %s.", algorithm, scheme.Algorithm), remedy("algorithm", algorithm)}, other})
			}
		}
	}
	if s.endpoint.Provider != "" || scheme.Type != webhook.TypeHMAC {
		return all
	}
	texts := []string{"{body}"}
	if scheme.Timestamp != "" || strings.Contains(scheme.Signature, "{timestamp}") {
		for _, between := range []string{".", "", ":", "|", "\n", "-", "_"} {
			texts = append(texts, "{timestamp}"+between+"{body}", "{body}"+between+"{timestamp}")
			if scheme.DeliveryID != "" {
				texts = append(texts, "{id}"+between+"{timestamp}"+between+"{body}", "{timestamp}"+between+"{id}"+between+"{body}")
			}
		}
		texts = append(texts, "v0:{timestamp}:{body}", "{method}{url}{body}{timestamp}", "{method}{path}{timestamp}{body}", "{timestamp}{method}{path}{body}")
	}
	texts = append(texts, "{url}{body}", "{body}{url}", "{method}{url}{body}", "{method}{path}{body}", "{path}{body}", "{url}{form_sorted}", "{sha256:body}")
	for _, text := range texts {
		if text == scheme.Signed {
			continue
		}
		other := scheme
		other.Signed = text
		if !strings.Contains(text, "{timestamp}") {
			// It is sent, but not signed, and a scheme may not have it so.
			other.Timestamp = ""
			if strings.Contains(other.Signature, "{timestamp}") {
				continue
			}
		}
		all = append(all, described{explanation{SignedText, fmt.Sprintf("The signature covers %q and not %q.", text, cut(scheme.Signed)), fmt.Sprintf("Write signed %q in the scheme.", text)}, other})
	}
	return all
}

// entry is what is needed of a provider to tell its deliveries from others'.
type entry struct {
	id, name string
	scheme   webhook.Scheme
	facts    webhook.Facts
}

// providers are all of the catalogue. They are read when the first diagnosis needs
// them: an endpoint that never refuses does without.
var providers = sync.OnceValue(func() []entry {
	var all []entry
	for _, id := range catalog.IDs() {
		p, err := catalog.Lookup(id)
		if err != nil {
			continue // its tests know
		}
		if facts, err := p.Scheme.Facts(); err == nil {
			all = append(all, entry{id, p.Name, p.Scheme, facts})
		}
	}
	return all
})

// candidate is a provider whose header fields a request has.
type candidate struct {
	entry
	fields int
}

// rank puts the entry for everybody who follows a specification before those of its
// followers, whose fields are the same.
func (c candidate) rank() int {
	if c.id == "standard-webhooks" {
		return 2*c.fields + 1
	}
	return 2 * c.fields
}

// candidates are the providers that could have sent the request by its header
// fields, those with the most of them first.
func (s *search) candidates() []candidate {
	h := s.delivery.Request.Header
	var found []candidate
	for _, e := range providers() {
		// Much is said in Authorization that proves nothing about who says it.
		place, _, _ := strings.Cut(e.scheme.Signature, " ")
		if e.id == s.endpoint.Provider || e.scheme == s.endpoint.Scheme || place != "header" {
			continue
		}
		signature := neededFields(e.scheme)[0]
		if len(signature.values(h)) == 0 || slices.Contains(signature.names, "Authorization") {
			continue
		}
		fields := 0
		for _, name := range e.facts.Header {
			if len(h[name]) > 0 {
				fields++
			}
		}
		found = append(found, candidate{e, fields})
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(b.rank(), a.rank()) })
	return found
}

// otherProviders tries the schemes of other providers on the endpoint's secrets.
func (s *search) otherProviders(error) (Finding, bool) {
	if isPublic(s.endpoint.Scheme) || !s.complete() {
		return Finding{}, false
	}
	var fit []string
	var remedy string
	var like webhook.Scheme
	for _, c := range s.candidates() {
		if isPublic(c.scheme) || len(fit) > 0 && !alike(c.scheme, like) {
			continue
		}
		p := newProver(s.endpoint, c.scheme, 0, asConfigured(s.endpoint.Secrets, c.scheme.Key))
		if _, err := s.matched(p, &s.delivery.Request); err != nil {
			continue
		}
		fit = append(fit, c.id)
		like = c.scheme
		if remedy == "" {
			remedy = "Write verify_webhook " + c.id + " for this endpoint."
		}
	}
	if len(fit) == 0 {
		return Finding{}, false
	}
	sentence := "The delivery follows the scheme of " + fit[0] + ", and its secret fits."
	if len(fit) > 1 {
		sentence = "The delivery follows a scheme that " + strings.Join(fit[:min(len(fit), most)], ", ") + " share, and its secret fits."
	}
	return explanation{OtherProvider, sentence, remedy}.proven(), true
}

// alike reports whether two schemes prove the same.
func alike(a, b webhook.Scheme) bool {
	return a.Type == b.Type && a.Algorithm == b.Algorithm && a.Key == b.Key && a.Encoding == b.Encoding && a.Signed == b.Signed && a.Signature == b.Signature
}

// fingerprint tells whose delivery it is where the signature is not the endpoint's
// at all.
func (s *search) fingerprint() (explanation, bool) {
	found := s.candidates()
	found = slices.DeleteFunc(found, func(c candidate) bool { return c.fields < found[0].fields || !s.plausible(c.scheme) })
	if len(found) == 0 || len(found) > most {
		return explanation{}, false
	}
	var names []string
	for _, c := range found {
		names = append(names, c.id)
	}
	return explanation{
		OtherProvider,
		"The header fields are those of " + strings.Join(names, " or ") + ", and the one with this endpoint's signature is missing.",
		"Correct the address at the provider, or write verify_webhook " + names[0] + " with its secret.",
	}, true
}

// plausible reports whether the request's signature is written as the scheme has it.
func (s *search) plausible(scheme webhook.Scheme) bool {
	if isPublic(scheme) {
		return true
	}
	facts, err := scheme.Facts()
	if err != nil {
		return false
	}
	e := Endpoint{With: map[string]string{}}
	for _, name := range facts.Parameters {
		e.With[name] = name
	}
	stand, _ := bareKey([]byte("user:password")) // the shape of a signature is the same under any key
	p := newProver(e, scheme, 0, []key{stand})
	if p == nil {
		return false
	}
	_, err = p.verifier.VerifyHeader(&s.delivery.Request, s.delivery.Received)
	return err == nil
}
