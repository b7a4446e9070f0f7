package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hookpass/hookpass/catalog"
)

// takeSample makes the draft a delivery of the provider that the catalogue has, of the
// event that was asked for, if one was.
func (s *send) takeSample(provider *catalog.Provider, d *draft) error {
	if s.data != defaultData {
		return errors.New("it has a body of its own: leave --data out")
	}
	for _, part := range []struct{ word, place string }{
		{"signature", provider.Scheme.Signature},
		{"timestamp", provider.Scheme.Timestamp},
		{"id", provider.Scheme.Require},
	} {
		kind, _, _ := strings.Cut(part.place, " ")
		if kind == "body" || kind == "form" || kind == "multipart" {
			return fmt.Errorf("%s has the %s in the body, where the sample has its own: leave it out", provider.ID, part.word)
		}
	}
	var events []string
	for _, v := range provider.Vectors {
		if v.Body == "" || s.event != "" && v.Event != s.event {
			events = append(events, v.Event)
			continue
		}
		d.body = []byte(v.Body)
		if v.Event != "" {
			d.event = v.Event
		}
		for name, value := range v.Header {
			if strings.EqualFold(name, "Content-Type") && d.header.Get(name) == "" {
				d.header.Set(name, value)
			}
		}
		return nil
	}
	return fmt.Errorf("the catalogue has no delivery of %s with this event; it has those of: %s", provider.ID, strings.Join(events, ", "))
}
