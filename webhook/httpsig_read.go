package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

// signedMessage is one of a request's signatures, before it is proven.
type signedMessage struct {
	base       string // what is signed (RFC 9421 section 2.5)
	signature  []byte
	algorithm  string // as it says itself; empty: it says none
	keyID      string
	expires    time.Time
	parameters []byte // as a JSON object, so that places and claims find them
}

// maxComponents bounds what a signature may cover. Signers name a handful.
const maxComponents = 64

// read returns the signatures of a request that could be right: those that cover
// enough, say nothing that is not understood, and are for one of the scheme's
// algorithms. Others are skipped as long as one is left.
func (m *messageMethod) read(r *Request) ([]signedMessage, error) {
	bad := func(err error) error { return fmt.Errorf("%w: %w", ErrSignatureMalformed, err) }
	values := r.Header["Signature"]
	if strings.TrimSpace(strings.Join(values, "")) == "" {
		return nil, ErrSignatureMissing
	}
	signatures, err := httpsfv.UnmarshalDictionary(values)
	if err != nil {
		return nil, bad(fmt.Errorf("the field Signature is not written as RFC 9421 says: %w", err))
	}
	inputs, err := httpsfv.UnmarshalDictionary(r.Header[messageInput])
	if err != nil {
		return nil, bad(fmt.Errorf("the field Signature-Input is not written as RFC 9421 says: %w", err))
	}
	labels := signatures.Names()
	if m.label != "" {
		labels = slices.DeleteFunc(slices.Clone(labels), func(l string) bool { return l != m.label })
	}
	switch {
	case len(labels) == 0:
		return nil, fmt.Errorf("%w: none has the label %s", ErrSignatureMissing, m.label)
	case len(labels) > maxSignatures:
		return nil, bad(fmt.Errorf("there are more than %d", maxSignatures))
	}
	var all []signedMessage
	var first error
	for _, label := range labels {
		s, err := m.readOne(r, signatures, inputs, label)
		if err == nil {
			all = append(all, s)
		} else if first == nil {
			first = bad(fmt.Errorf("%s: %w", label, err))
		}
	}
	if len(all) == 0 {
		return nil, first
	}
	return all, nil
}

func (m *messageMethod) readOne(r *Request, signatures, inputs *httpsfv.Dictionary, label string) (s signedMessage, err error) {
	member, _ := signatures.Get(label)
	item, _ := member.(httpsfv.Item)
	var isBytes bool
	if s.signature, isBytes = item.Value.([]byte); !isBytes || len(item.Params.Names()) > 0 {
		return s, errors.New("it is not a byte sequence")
	}
	member, _ = inputs.Get(label)
	input, isList := member.(httpsfv.InnerList)
	if !isList {
		return s, errors.New("Signature-Input does not say what it covers")
	}
	if err := s.describe(input.Params); err != nil {
		return s, err
	}
	if s.algorithm != "" && !slices.Contains(m.algorithms, s.algorithm) {
		return s, fmt.Errorf("its alg is %q, and the scheme's is %s", s.algorithm, joined(m.algorithms))
	}
	var components []component
	if components, s.base, err = signatureBase(r, input); err != nil {
		return s, err
	}
	return s, m.sufficient(components, r)
}

// describe takes the parameters of RFC 9421 section 2.3. Another one may say
// what we would have to heed, and is refused.
func (s *signedMessage) describe(parameters *httpsfv.Params) error {
	said := map[string]any{}
	for _, name := range parameters.Names() {
		value, _ := parameters.Get(name)
		var fits bool
		switch name {
		case "created":
			_, fits = value.(int64)
		case "expires":
			var seconds int64
			seconds, fits = value.(int64)
			s.expires = time.Unix(seconds, 0)
		case "alg":
			s.algorithm, fits = value.(string)
		case "keyid":
			s.keyID, fits = value.(string)
		case "nonce", "tag":
			_, fits = value.(string)
		default:
			return fmt.Errorf("its parameter %s is unknown", name)
		}
		if !fits {
			return fmt.Errorf("its parameter %s is of another type", name)
		}
		said[name] = value
	}
	var err error
	s.parameters, err = json.Marshal(said)
	return err
}

// signatureBase reads the covered components and builds what is signed.
func signatureBase(r *Request, input httpsfv.InnerList) ([]component, string, error) {
	if len(input.Items) > maxComponents {
		return nil, "", fmt.Errorf("it covers more than %d components", maxComponents)
	}
	var components []component
	var base strings.Builder
	for _, item := range input.Items {
		c, err := parseComponent(item)
		if err != nil {
			return nil, "", err
		}
		if slices.Contains(components, c) {
			return nil, "", fmt.Errorf("it covers %s twice", c)
		}
		value, err := c.value(r)
		if err != nil {
			return nil, "", fmt.Errorf("it covers %s: %w", c, err)
		}
		components = append(components, c)
		base.WriteString(c.String() + ": " + value + "\n")
	}
	parameters, err := httpsfv.Marshal(input)
	if err != nil {
		return nil, "", err
	}
	base.WriteString(`"@signature-params": ` + parameters)
	return components, base.String(), nil
}

// collectMessages takes those signatures that are for here and now. That is told
// before any is proven, as with several made by one key the others would be in
// the way.
func (v *Verifier) collectMessages(m *messageMethod, r *Request, e *evidence, now time.Time, whole bool) error {
	all, err := m.read(r)
	if err != nil {
		return err
	}
	digests, err := readDigests(r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignatureMalformed, err)
	}
	if whole && !digests.fit(r.Body) {
		return fmt.Errorf("%w: Content-Digest is that of another body", ErrSignatureMismatch)
	}
	for _, s := range all {
		refused := v.applies(s, r, e, now)
		if refused == nil {
			e.messages = append(e.messages, s)
		} else if err == nil {
			err = refused
		}
	}
	if len(e.messages) > 0 {
		return nil
	}
	return err
}

func (v *Verifier) applies(s signedMessage, r *Request, e *evidence, now time.Time) error {
	r.claims = s.parameters
	defer func() { r.claims = nil }()
	if v.scheme.timestamp.place.kind == inClaim {
		if err := v.date(new(Delivery), v.claimedTime(r), now); err != nil {
			return err
		}
	}
	if !s.expires.IsZero() && now.Sub(s.expires) > v.leeway() {
		return fmt.Errorf("%w: expires has passed", ErrClaimsInvalid)
	}
	return v.checkClaims(r, e, now)
}
