package webhook

import (
	"crypto"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Handshake is a question that a provider asks of an endpoint, before it sends
// events or from time to time, and the answer that it expects. Its words are
// those of a provider file.
type Handshake struct {
	// The method of the question. Default: POST.
	Method string `yaml:"method" json:"method,omitempty"`

	// Whether the question comes without a proof. Default: it is proven like any
	// delivery, and answered only then.
	Unsigned bool `yaml:"unsigned" json:"unsigned,omitempty"`

	// What tells the question from an event; all must hold. Each is a place and
	// the value found there, such as "body type url_verification", or "~" and a
	// regular expression for the whole value, or a place alone, where any value
	// will do. At least one, but for a HEAD or GET.
	When []string `yaml:"when" json:"when,omitempty"`

	// A place and what must stand there, such as "query hub.verify_token
	// {with:verify_token}". Another value is refused, in constant time.
	Require string `yaml:"require" json:"require,omitempty"`

	// The status of that refusal, where the provider insists on one. Default: that
	// of every refusal, 401.
	Refuse int `yaml:"refuse" json:"refuse,omitempty"`

	// A place and the URLs of which one must be found there, as in keys: it is
	// visited before the answer. Never where the question is unsigned.
	Visit string `yaml:"visit" json:"visit,omitempty"`

	// The status of the answer. Default: 200.
	Status int `yaml:"status" json:"status,omitempty"`

	// Header fields of the answer, by name.
	Header map[string]string `yaml:"header" json:"header,omitempty"`

	// The answer's body: plain text, or a JSON object. Texts are templates as
	// signed is, with {computed} besides.
	Text string         `yaml:"text" json:"text,omitempty"`
	JSON map[string]any `yaml:"json" json:"json,omitempty"`

	// What {computed} stands for: "hmac" (SHA-256 under the endpoint's first
	// secret), "hmac-sha1" or "hash" (SHA-256), hex or base64, and a template.
	Compute string `yaml:"compute" json:"compute,omitempty"`
}

// Reply is the answer to a handshake.
type Reply struct {
	Status int
	Header map[string]string
	Body   string // its content type is in Header
	Visit  string // an https URL to be visited first, with success, if it is not empty
}

// HandshakeError is the error of a question that lacks the required value. It
// wraps [ErrSignatureMismatch].
type HandshakeError struct {
	Status int // 0: that of every refusal
}

func (*HandshakeError) Error() string { return "handshake without the required value" }
func (*HandshakeError) Unwrap() error { return ErrSignatureMismatch }

// Responder answers one kind of handshake.
type Responder struct {
	Method   string
	Unsigned bool

	when    []condition
	require *condition
	refuse  int
	visit   *pinnedURL
	status  int
	header  map[string]answerText
	text    answerText
	json    map[string]any // string values are answerTexts
	compute *computation
}

type condition struct {
	place   Place
	any     bool
	pattern *regexp.Regexp
	want    template
}

type answerText []template // pieces between {computed}

type computation struct {
	keyed    Secret
	isKeyed  bool
	hash     crypto.Hash // of the keyed digest
	encoding encoding
	of       template
}

// Parameters returns the names of {with:NAME} in h.
func (h Handshake) Parameters() []string {
	var names []string
	texts := append([]string{h.Require, h.Visit, h.Text, h.Compute}, slices.Collect(maps.Values(h.Header))...)
	for _, value := range h.JSON {
		if text, ok := value.(string); ok {
			texts = append(texts, text)
		}
	}
	for _, text := range texts {
		for {
			_, rest, found := strings.Cut(text, "{with:")
			if !found {
				break
			}
			name, rest, _ := strings.Cut(rest, "}")
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
			text = rest
		}
	}
	slices.Sort(names)
	return names
}

// NewResponder compiles h for an endpoint: with holds the values of its
// {with:NAME}, secrets those that {computed} may be keyed with. The error wraps
// [ErrScheme].
func NewResponder(h Handshake, secrets []Secret, with map[string]string) (_ *Responder, err error) {
	r := &Responder{Method: h.Method, Unsigned: h.Unsigned, status: h.Status, refuse: h.Refuse, header: map[string]answerText{}, json: map[string]any{}}
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if len(h.When) == 0 && r.Method == http.MethodPost {
		return nil, fmt.Errorf("%w: handshake without when: write what tells it from an event, such as body type url_verification", ErrScheme)
	}
	for _, words := range h.When {
		c, err := parseCondition(words)
		if err == nil {
			err = c.fill(with)
		}
		if err != nil {
			return nil, fmt.Errorf("handshake when: %w", err)
		}
		r.when = append(r.when, *c)
	}
	if h.Require != "" {
		c, err := parseCondition(h.Require)
		if err == nil {
			err = c.fill(with)
		}
		if err != nil || c.want == nil {
			return nil, errors.Join(fmt.Errorf("%w: handshake require %q: write a place and a value", ErrScheme, h.Require), err)
		}
		r.require = c
	}
	if h.Visit != "" {
		if r.visit, err = newVisit(h, with); err != nil {
			return nil, fmt.Errorf("handshake visit: %w", err)
		}
	}
	if h.Text != "" && h.JSON != nil {
		return nil, fmt.Errorf("%w: handshake with text and json: write one of them", ErrScheme)
	}
	if err := r.compileAnswer(h, secrets, with); err != nil {
		return nil, err
	}
	return r, nil
}

// newVisit refuses what would let a stranger choose which URL is visited, or when.
func newVisit(h Handshake, with map[string]string) (*pinnedURL, error) {
	p, err := parsePinnedURL("visit", h.Visit)
	switch {
	case err != nil:
		return nil, err
	case h.Unsigned || p.named == nil:
		return nil, fmt.Errorf("%w: write a place and URLs, and leave unsigned out", ErrScheme)
	}
	err = p.fill(with)
	return p, err
}

func (r *Responder) compileAnswer(h Handshake, secrets []Secret, with map[string]string) (err error) {
	if r.text, err = parseAnswer(h.Text, with); err != nil {
		return err
	}
	for name, text := range h.Header {
		if r.header[name], err = parseAnswer(text, with); err != nil {
			return err
		}
	}
	for name, value := range h.JSON {
		r.json[name] = value
		if text, ok := value.(string); ok {
			if r.json[name], err = parseAnswer(text, with); err != nil {
				return err
			}
		}
	}
	if h.Compute == "" {
		if strings.Contains(fmt.Sprint(h.Text, h.Header, h.JSON), "{computed}") {
			return fmt.Errorf("%w: handshake answer has {computed}: write compute", ErrScheme)
		}
		return nil
	}
	kind, rest, _ := strings.Cut(h.Compute, " ")
	written, of, _ := strings.Cut(rest, " ")
	c := &computation{isKeyed: true, hash: crypto.SHA256}
	switch kind {
	case "hmac":
	case "hmac-sha1":
		c.hash = crypto.SHA1
	case "hash":
		c.isKeyed = false
	default:
		return fmt.Errorf(`%w: handshake compute %q: write it like "hmac hex {json:token}"`, ErrScheme, h.Compute)
	}
	if c.encoding, err = parseEncoding(written); err != nil {
		return err
	}
	if c.of, err = parseTemplate(of); err != nil {
		return err
	}
	if c.of, err = c.of.fill(with); err != nil {
		return err
	}
	if c.isKeyed && len(secrets) > 0 {
		c.keyed = secrets[0]
	}
	r.compute = c
	return nil
}

// parseCondition reads a place and, behind it, the value.
func parseCondition(words string) (*condition, error) {
	c := &condition{}
	where, value := cutPlace(words)
	var err error
	if c.place, err = ParsePlace(where); err != nil {
		return c, err
	}
	if value == "" {
		c.any = true
		return c, nil
	}
	if pattern, is := strings.CutPrefix(value, "~"); is {
		if c.pattern, err = regexp.Compile("^(?:" + pattern + ")$"); err != nil {
			return c, fmt.Errorf("%w: %q is no regular expression: %w", ErrScheme, pattern, err)
		}
		return c, nil
	}
	if c.want, err = parseTemplate(value); err != nil {
		return c, err
	}
	return c, nil
}

func (c *condition) fill(with map[string]string) (err error) {
	c.want, err = c.want.fill(with)
	return err
}

// template is what must stand at the place; none if c is nil.
func (c *condition) template() template {
	if c == nil {
		return nil
	}
	return c.want
}

func parseAnswer(text string, with map[string]string) (answerText, error) {
	var pieces answerText
	for i, piece := range strings.Split(text, "{computed}") {
		if i > 0 {
			pieces = append(pieces, nil)
		}
		if piece == "" {
			continue
		}
		t, err := parseTemplate(piece)
		if err == nil {
			t, err = t.fill(with)
		}
		if err != nil {
			return nil, fmt.Errorf("handshake answer: %w", err)
		}
		pieces = append(pieces, t)
	}
	return pieces, nil
}
