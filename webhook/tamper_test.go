package webhook_test

import (
	"bytes"
	"encoding/base64"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

var signedComponent = regexp.MustCompile(`"([^"]+)"`)

var signedField = regexp.MustCompile(`\{(json|form|multipart|query|amount):([^,}]+)[,}]`)

// tampered returns copies of a delivery, each changed in one way that the
// signature covers: by a byte of a body that is signed whole, or by a field.
func tampered(p *catalog.Provider, v catalog.Vector) map[string]*webhook.Request {
	changed := map[string]*webhook.Request{}
	if strings.Contains(p.Scheme.Signed+p.Scheme.Claims+p.Scheme.Require, "body}") || p.Scheme.Type == webhook.TypeMessage {
		for name, at := range map[string]int{"first": 0, "middle": len(v.Body) / 2, "last": len(v.Body) - 1} {
			r := request(v)
			r.Body[at] ^= 1
			changed[name+" body byte flipped"] = r
		}
		r := request(v)
		r.Body = append(r.Body, '\n')
		changed["line feed added"] = r
	}
	if strings.Contains(p.Scheme.Signed, "{form_") {
		fields, _ := url.ParseQuery(v.Body)
		for name := range fields {
			if "form "+name == p.Scheme.Signature {
				continue
			}
			r := request(v)
			replace(r, "form "+name, longer)
			changed["form field "+name+" changed"] = r
		}
		r := request(v)
		r.Body = append(r.Body, "&more=1"...)
		changed["form field added"] = r
	}
	if strings.Contains(p.Scheme.Signed, "{json_sorted}") {
		r := request(v)
		r.Body = append([]byte(`{"more":1,`), bytes.TrimPrefix(r.Body, []byte("{"))...)
		changed["member added"] = r
	}
	for _, name := range innerValues(p, v) {
		r := request(v)
		replace(r, "body "+name, longer)
		changed[name+" changed"] = r
	}
	if p.Scheme.Signature == "body" {
		r := request(v)
		replace(r, "body", otherClaim)
		changed["token's claims changed"] = r
	}
	if p.Scheme.Type == webhook.TypeSNS {
		for _, name := range []string{"Message", "MessageId", "Timestamp", "TopicArn"} {
			r := request(v)
			replace(r, "body "+name, longer)
			changed[name+" changed"] = r
		}
	}
	if place, _ := strings.CutPrefix(p.Scheme.Require, "body "); place != p.Scheme.Require {
		r := request(v)
		replace(r, p.Scheme.Require, longer)
		changed["required "+place+" changed"] = r
	}
	if p.Scheme.Type == webhook.TypeMessage {
		maps.Copy(changed, tamperedMessages(v))
	}
	for _, field := range signedField.FindAllStringSubmatch(p.Scheme.Signed, -1) {
		kind, change := field[1], longer
		switch kind {
		case "json":
			kind = "body"
		case "amount":
			kind, change = "body", more
		}
		place := kind + " " + field[2]
		r := request(v)
		if replace(r, place, change) {
			changed[place+" changed"] = r
		}
	}
	return changed
}

// tamperedMessages returns copies of a delivery, each with one of the components
// changed that the signature names, or something that it says itself.
func tamperedMessages(v catalog.Vector) map[string]*webhook.Request {
	changed := map[string]*webhook.Request{}
	change := func(name string, how func(*webhook.Request)) {
		r := request(v)
		how(r)
		changed[name+" changed"] = r
	}
	input := v.Header["Signature-Input"]
	covered, _, _ := strings.Cut(input, ")")
	for _, part := range signedComponent.FindAllStringSubmatch(covered, -1) {
		switch name := part[1]; name {
		case "@method":
			change(name, func(r *webhook.Request) { r.Method = "PUT" })
		case "@authority":
			change(name, func(r *webhook.Request) { r.URL = strings.Replace(r.URL, "https://", "https://x.", 1) })
		case "@path":
			change(name, func(r *webhook.Request) {
				address, query, has := strings.Cut(r.URL, "?")
				if r.URL = address + "/x"; has {
					r.URL += "?" + query
				}
			})
		case "@query", "@target-uri":
			change(name, func(r *webhook.Request) { r.URL += "&x=1" })
		case "content-digest": // with the body
		default:
			change(name, func(r *webhook.Request) { replace(r, "header "+name, longer) })
		}
	}
	for _, parameter := range []string{"keyid", "nonce"} {
		if strings.Contains(input, ";"+parameter+"=") {
			change(parameter, func(r *webhook.Request) {
				r.Header.Set("Signature-Input", strings.Replace(input, ";"+parameter+`="`, ";"+parameter+`="x`, 1))
			})
		}
	}
	return changed
}

var signedJSON = regexp.MustCompile(`\{json_(?:sorted|php:([^}]+))\}`)

// innerValues are the paths of the values in the JSON that is signed as a whole,
// however it is written.
func innerValues(p *catalog.Provider, v catalog.Vector) (paths []string) {
	within := signedJSON.FindStringSubmatch(p.Scheme.Signed)
	if within == nil {
		return nil
	}
	var walk func(path string, v gjson.Result)
	walk = func(path string, v gjson.Result) {
		if v.Type == gjson.Null {
			return
		}
		if v.Type != gjson.JSON {
			paths = append(paths, strings.TrimPrefix(path, "."))
			return
		}
		index := 0
		v.ForEach(func(name, inner gjson.Result) bool {
			key := name.String()
			if v.IsArray() {
				key = strconv.Itoa(index)
				index++
			}
			walk(path+"."+key, inner)
			return true
		})
	}
	if root := gjson.Parse(v.Body); within[1] == "" {
		walk("", root)
	} else {
		walk(within[1], root.Get(within[1]))
	}
	return paths
}

// otherContent returns copies of a delivery that carries its secret, with
// everything else changed.
func otherContent(p *catalog.Provider, v catalog.Vector) map[string]*webhook.Request {
	body, head := request(v), request(v)
	switch kind, _, _ := strings.Cut(signaturePlace(p), " "); kind {
	case "form":
		body.Body = append(body.Body, "&other=1"...)
	case "body":
		body.Body = append([]byte(`{"other":1,`), bytes.TrimPrefix(body.Body, []byte("{"))...)
	default:
		body.Body = []byte("something else")
	}
	for name := range v.Header {
		if !travelsIn(signaturePlace(p), name) {
			head.Header.Set(name, "something else")
		}
	}
	return map[string]*webhook.Request{"another body": body, "another header": head}
}

// malformed returns values of Authorization that are no Basic credentials, for
// a provider that sends these.
func malformed(p *catalog.Provider, v catalog.Vector) map[string]string {
	if p.Scheme.Type != webhook.TypeBasic {
		return nil
	}
	value := v.Header["Authorization"]
	return map[string]string{
		"other scheme name": "Bearer" + strings.TrimPrefix(value, "Basic"),
		"malformed base64":  value + "!",
		"no base64":         "Basic " + v.Secret,
		"no colon":          "Basic " + base64.StdEncoding.EncodeToString([]byte("user")),
	}
}

// signaturePlace is where the proof travels, and how it is written.
func signaturePlace(p *catalog.Provider) string {
	if p.Scheme.Type == webhook.TypeBasic {
		return "header Authorization"
	}
	return p.Scheme.Signature
}

// otherSignature is how to change a proof into a wrong one.
func otherSignature(p *catalog.Provider) func(string) string {
	switch p.Scheme.Type {
	case webhook.TypeToken:
		return longer
	case webhook.TypeBasic:
		return func(value string) string {
			pair, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(value, "Basic "))
			return "Basic " + base64.StdEncoding.EncodeToString(append(pair, '0'))
		}
	}
	if p.Scheme.Encoding == "base64hex" {
		return func(value string) string {
			digits, _ := base64.StdEncoding.DecodeString(value)
			return base64.StdEncoding.EncodeToString([]byte(otherDigit(string(digits))))
		}
	}
	return otherDigit
}

// longer makes another value of the same kind: a text, a number or a boolean.
func longer(value string) string {
	switch value {
	case "true":
		return "false"
	case "false":
		return "true"
	}
	if text, quoted := strings.CutSuffix(value, `"`); quoted {
		return text + `0"`
	}
	return value + "0"
}

// more makes a larger number; with a zero behind it, an amount can be the same.
func more(value string) string {
	if text, quoted := strings.CutPrefix(value, `"`); quoted {
		return `"9` + text
	}
	return "9" + value
}

// emptied takes the value away, but for the quotes around it.
func emptied(value string) string {
	if strings.HasPrefix(value, `"`) {
		return `""`
	}
	return ""
}

// otherClaim changes a digit in the middle of a token's claims.
func otherClaim(token string) string {
	parts := strings.Split(token, ".")
	digits := []byte(parts[1])
	middle := &digits[len(digits)/2]
	if *middle == 'a' {
		*middle = 'b'
	} else {
		*middle = 'a'
	}
	parts[1] = string(digits)
	return strings.Join(parts, ".")
}

// otherDigit changes a digit of each long run of hex or base64 in a value, or
// behind a token's last dot: one is the signature.
func otherDigit(value string) string {
	if strings.Count(value, ".") == 2 {
		last := strings.LastIndexByte(value, '.') + 1
		return value[:last] + otherDigit(value[last:])
	}
	const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/_-"
	run, changed := 0, []byte(value)
	for i := range len(value) {
		if strings.IndexByte(digits, value[i]) < 0 {
			run = 0
			continue
		}
		if run++; run == 27 {
			changed[i] = '0'
			if value[i] == '0' {
				changed[i] = '1'
			}
		}
	}
	return string(changed)
}

// replace changes the value at a place, as it is written there, and reports
// whether there is one.
func replace(r *webhook.Request, place string, change func(string) string) bool {
	kind, names, _ := strings.Cut(place, " ")
	names, _, _ = strings.Cut(names, " ") // without a format or unit
	for name := range strings.SplitSeq(names, "|") {
		switch kind {
		case "header":
			if value := r.Header.Get(name); value != "" {
				r.Header.Set(name, change(value))
				return true
			}
		case "header_json":
			field, path, _ := strings.Cut(name, ">")
			if object, err := base64.StdEncoding.DecodeString(r.Header.Get(field)); err == nil && len(object) > 0 {
				v := gjson.GetBytes(object, path)
				object = slices.Concat(object[:v.Index], []byte(change(v.Raw)), object[v.Index+len(v.Raw):])
				r.Header.Set(field, base64.StdEncoding.EncodeToString(object))
				return true
			}
		case "query":
			if query, found := replaceField(r.Query, name, change); found {
				r.Query = query
				return true
			}
		case "form":
			if body, found := replaceField(string(r.Body), name, change); found {
				r.Body = []byte(body)
				return true
			}
		case "multipart":
			at, end := bytes.IndexByte(r.Body, '{'), bytes.LastIndexByte(r.Body, '}')+1
			_, path, _ := strings.Cut(name, ">")
			field := &webhook.Request{Body: r.Body[at:end:end]}
			if replace(field, "body "+path, change) {
				r.Body = slices.Concat(r.Body[:at], field.Body, r.Body[end:])
				return true
			}
		case "body":
			name = strings.ReplaceAll(name, "#", "0")
			if name == "" {
				r.Body = []byte(change(string(r.Body)))
				return true
			}
			if v := gjson.GetBytes(r.Body, name); v.Index > 0 && v.Type != gjson.Null {
				r.Body = slices.Concat(r.Body[:v.Index], []byte(change(v.Raw)), r.Body[v.Index+len(v.Raw):])
				return true
			}
		}
	}
	return false
}

func replaceField(encoded, name string, change func(string) string) (string, bool) {
	fields := strings.Split(encoded, "&")
	for i, field := range fields {
		if key, value, _ := strings.Cut(field, "="); key == url.QueryEscape(name) || key == name {
			fields[i] = key + "=" + change(value)
			return strings.Join(fields, "&"), true
		}
	}
	return encoded, false
}
