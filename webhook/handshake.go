package webhook

import (
	"fmt"
	"strings"
)

// Handshake is a question that a provider asks of an endpoint before it sends
// events, signed like any delivery, and the answer it expects.
type Handshake struct {
	// What tells the question from an event: a place and the value found there,
	// such as "body type url_verification".
	When string `yaml:"when"`

	// The place whose value is the whole answer, sent back as plain text.
	Answer string `yaml:"answer"`
}

// Responder answers one kind of handshake.
type Responder struct {
	when   Place
	value  string
	answer Place
}

// NewResponder compiles h. The error wraps [ErrScheme].
func NewResponder(h Handshake) (*Responder, error) {
	where, value := cutPlace(h.When)
	if value == "" {
		return nil, fmt.Errorf("%w: handshake when %q: write a place and its value, such as body type url_verification", ErrScheme, h.When)
	}
	when, err := ParsePlace(where)
	if err != nil {
		return nil, fmt.Errorf("handshake when: %w", err)
	}
	answer, err := ParsePlace(strings.TrimSpace(h.Answer))
	if err != nil {
		return nil, fmt.Errorf("handshake answer: %w", err)
	}
	return &Responder{when: when, value: value, answer: answer}, nil
}

// Answer returns the answer to a verified request, and false if it is no
// handshake. A question without content is not one: an empty answer would only
// hide the mistake.
func (h *Responder) Answer(r *Request) (string, bool) {
	if asked, err := h.when.Value(r); err != nil || asked != h.value {
		return "", false
	}
	answer, err := h.answer.Value(r)
	return answer, err == nil && answer != ""
}
