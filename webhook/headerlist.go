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
