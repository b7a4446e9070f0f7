package webhook

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
)

// writeForm writes each name with each of its values, sorted and without
// repeats: so do Twilio's libraries.
func writeForm(to sink, body []byte) error {
	fields, err := url.ParseQuery(string(body))
	if err != nil {
		return fmt.Errorf("%w: the body is not a form", ErrSignatureMalformed)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		values := fields[name]
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			to.writeString(name)
			to.writeString(value)
		}
	}
	return nil
}

// writeFormPHP writes the fields without the signature as PHP's serialize does,
// in the order of their names. A field that is given twice, of which PHP would
// keep one, is refused.
func writeFormPHP(to sink, body []byte, signature string) error {
	fields, err := url.ParseQuery(string(body))
	if err != nil {
		return fmt.Errorf("%w: the body is not a form", ErrSignatureMalformed)
	}
	delete(fields, signature)
	to.writeString(fmt.Sprintf("a:%d:{", len(fields)))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		values := fields[name]
		if len(values) > 1 {
			return fmt.Errorf("%w: form field %s: %w", ErrSignatureMalformed, name, errConflict)
		}
		for _, text := range []string{name, values[0]} {
			to.writeString(fmt.Sprintf(`s:%d:"`, len(text)) + text + `";`)
		}
	}
	to.writeString("}")
	return nil
}
