package webhook

import (
	"strings"

	"github.com/tidwall/gjson"
)

// headerJSONValues returns the values at "Field>path", for a Place of that kind.
func (p Place) headerJSONValues(r *Request) []string {
	var all []string
	for _, name := range p.names {
		field, path, _ := strings.Cut(name, ">")
		for _, value := range r.Header[field] {
			if text := headerJSON(value, path, p.whole); text != "" {
				all = append(all, text)
			}
		}
	}
	return all
}

// headerJSON returns the text at a path of jsonPath in the object that a header
// field's value begins with.
func headerJSON(value, path string, whole bool) string {
	object, _, _ := strings.Cut(value, ".")
	decoded, err := decodeBase64(strings.NewReplacer("-", "+", "_", "/").Replace(object))
	if err != nil || !gjson.ValidBytes(decoded) {
		return ""
	}
	return jsonValue(decoded, path, whole)
}
