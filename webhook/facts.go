package webhook

import (
	"slices"
	"strings"
)

// Proof is what a delivery that was let pass has proven.
type Proof string

// The kinds of proof.
const (
	ProofSignature Proof = "signature" // the secret's holder made what the signature covers
	ProofToken     Proof = "token"     // the sender knows the secret
)

// Facts are what follows from a scheme's description.
type Facts struct {
	Proof        Proof    // what a verified delivery has proven
	FetchesKeys  bool     // there are no secrets: the keys are published
	HasTimestamp bool     // deliveries carry a signed timestamp, so that old ones can be refused
	HasID        bool     // deliveries carry an id
	SignsID      bool     // the signature covers the id; if not, a captured delivery passes again under another id
	SignsBody    bool     // the signature covers the body, or some of it; if not, whoever has seen a token may send any body with it
	SignsURL     bool     // the signature covers the URL, which must then be known as the sender knows it
	Parameters   []string // the names of {with:NAME}
	Header       []string // the header fields the scheme reads, canonical
	Body         []string // the places in the body of signatures and tokens; "body" is all of it
}

// Facts returns what follows from s. The error wraps [ErrScheme] if s does not
// describe a usable scheme.
func (s Scheme) Facts() (Facts, error) {
	c, err := s.compile()
	if err != nil {
		return Facts{}, err
	}
	f := Facts{
		Proof:        ProofSignature,
		FetchesKeys:  c.keys != nil,
		HasTimestamp: c.timestamp.exists(),
		HasID:        c.id != nil,
		SignsID:      c.id != nil && (c.signed.uses(segmentID) || c.covers(*c.id)),
		SignsBody:    c.signsInBody() || c.token() && c.signature.kind == inBody,
	}
	f.SignsURL = c.signed.uses(segmentURL)
	if !c.signs() || c.token() && !f.SignsBody {
		f.Proof = ProofToken
	}
	for _, p := range c.places() {
		f.Header = append(f.Header, p.fields()...)
	}
	for _, segment := range slices.Concat(c.keys.templates(), c.signed, c.require.template()) {
		switch segment.kind {
		case segmentWith:
			f.Parameters = append(f.Parameters, segment.text)
		case segmentHeader:
			f.Header = append(f.Header, segment.text)
		case segmentHeaderList:
			f.Header = append(f.Header, strings.Split(segment.text, ",")...)
		case segmentHeaderLines:
			list, names := cutList(segment.text)
			f.Header = slices.Concat(f.Header, list.fields(), names)
		}
	}
	f.Body = c.signature.inBodyAt()
	if c.require.template().uses(segmentWith) {
		f.Body = append(f.Body, c.require.place.inBodyAt()...)
	}
	return f, nil
}

// inBodyAt returns the place in words, one for each of its names, if it is in the
// body.
func (p Place) inBodyAt() []string {
	switch p.kind {
	case inBody, inForm, inMultipart:
	default:
		return nil
	}
	if len(p.names) == 0 {
		return []string{string(p.kind)}
	}
	var all []string
	for _, name := range p.names {
		if p.kind == inForm {
			all = append(all, string(p.kind)+" "+name)
			continue
		}
		for one := range strings.SplitSeq(name, "+") {
			all = append(all, string(p.kind)+" "+unescaped(one))
		}
	}
	return all
}

// unescaped undoes [jsonPath].
func unescaped(path string) string {
	var text strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '\\' && i+1 < len(path) {
			i++
		}
		text.WriteByte(path[i])
	}
	return text.String()
}

// places are where the scheme reads anything.
func (c *scheme) places() []Place {
	places := []Place{c.signature, c.timestamp.place}
	optional := []*Place{c.id, c.event}
	if c.keys != nil {
		optional = append(optional, c.keys.named, c.keys.id)
	}
	for _, p := range optional {
		if p != nil {
			places = append(places, *p)
		}
	}
	if c.require != nil {
		places = append(places, c.require.place)
	}
	return places
}
