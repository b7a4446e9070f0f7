package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// writeHeaders writes the header fields that the first of names lists. What the
// sender may choose would prove nothing of what it leaves out, so that all of
// names must be listed.
func writeHeaders(to sink, r *Request, names []string) error {
	bad := func(problem string) error {
		return fmt.Errorf("%w: header %s %s", ErrSignatureMalformed, names[0], problem)
	}
	list, err := Place{kind: inHeader, names: names[:1]}.Value(r)
	if err != nil {
		return bad("is given more than once")
	}
	listed := strings.Split(strings.ToLower(list), ",")
	for i := range listed {
		listed[i] = strings.TrimSpace(listed[i])
	}
	slices.Sort(listed)
	if len(slices.Compact(slices.Clone(listed))) != len(listed) {
		return bad("names a field twice")
	}
	for _, name := range names {
		if !slices.Contains(listed, strings.ToLower(name)) {
			return bad("does not name " + name)
		}
	}
	for i, name := range listed {
		value, err := Place{kind: inHeader, names: []string{http.CanonicalHeaderKey(name)}}.Value(r)
		if err != nil {
			return bad("names " + name + ", which is given more than once")
		}
		if i > 0 {
			to.writeString(";")
		}
		to.writeString(name + ":" + strings.TrimSpace(value))
	}
	return nil
}

// cutList splits the text of a segmentHeaderLines.
func cutList(text string) (list Place, names []string) {
	place, rest, _ := strings.Cut(text, ",")
	return Place{kind: inHeaderJSON, names: []string{place}}, strings.Split(rest, ",")
}

// writeHeaderLines writes the header fields that a member of JSON in another one
// lists, each as a line "Name: value", in the order and the spelling of the list,
// and refuses one that lacks what must be signed. A field that is not there is
// empty: so do TrueLayer's libraries.
func writeHeaderLines(to sink, r *Request, text string) error {
	place, required := cutList(text)
	list, err := place.Value(r)
	if err != nil {
		return fmt.Errorf("%w: the list of signed header fields: %w", ErrSignatureMalformed, err)
	}
	listed := strings.Split(list, ",")
	for _, name := range required {
		if !slices.ContainsFunc(listed, func(l string) bool { return strings.EqualFold(l, name) }) {
			return fmt.Errorf("%w: the list of signed header fields does not name %s", ErrSignatureMalformed, name)
		}
	}
	for _, name := range listed {
		value, err := Place{kind: inHeader, names: []string{http.CanonicalHeaderKey(name)}}.Value(r)
		if err != nil {
			return fmt.Errorf("%w: header %s: %w", ErrSignatureMalformed, name, err)
		}
		to.writeString(name + ": " + value + "\n")
	}
	return nil
}
