package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

type segmentKind uint8

const (
	segmentLiteral segmentKind = iota
	segmentBody
	segmentTimestamp
	segmentID
	segmentExtra
	segmentSecret
	segmentURL
	segmentMethod
	segmentPath
	segmentQuery
	segmentFormSorted
	segmentFormPHP
	segmentJSONSorted
	segmentJSONPHP
	segmentAmount
	segmentHeader
	segmentHeaderList
	segmentHeaderLines
	segmentJSON
	segmentForm
	segmentMultipart
	segmentQueryField
	segmentWith
	segmentDigest
)

var segmentNames = map[string]segmentKind{
	"body":        segmentBody,
	"timestamp":   segmentTimestamp,
	"id":          segmentID,
	"extra":       segmentExtra,
	"secret":      segmentSecret,
	"url":         segmentURL,
	"method":      segmentMethod,
	"path":        segmentPath,
	"query":       segmentQuery,
	"form_sorted": segmentFormSorted,
	"json_sorted": segmentJSONSorted,
}

// template is what a scheme signs, as pieces one after another.
type template []segment

type segment struct {
	kind segmentKind
	text string      // the literal, the header's name, a list and those that it must name, the JSON path, the name of the form field or query parameter, the parameter's name, or the digest's
	of   segmentKind // what is digested: the body or the URL
}

// inBody reports whether the segment is some of the body.
func (s segment) inBody() bool {
	switch s.kind {
	case segmentBody, segmentJSON, segmentForm, segmentMultipart, segmentFormSorted, segmentFormPHP, segmentJSONSorted, segmentJSONPHP, segmentAmount:
		return true
	default:
		return s.of == segmentBody
	}
}

// uses reports whether what kind stands for is in the template, as it is or as
// its digest.
func (t template) uses(kind segmentKind) bool {
	return slices.ContainsFunc(t, func(s segment) bool { return s.kind == kind || s.kind == segmentDigest && s.of == kind })
}

// behindExtra returns the literal that ends {extra}. Without one, or if the value
// could hold it, what is signed could be cut in two places: bytes would move
// between the value and the body while the signature stays right.
func (t template) behindExtra() string {
	i := slices.IndexFunc(t, func(s segment) bool { return s.kind == segmentExtra })
	if i < 0 || i == len(t)-1 || t[i+1].kind != segmentLiteral {
		return ""
	}
	return t[i+1].text
}

func parseTemplate(text string) (template, error) {
	if text == "" {
		return nil, fmt.Errorf(`%w: signed is empty: write what the signature covers, such as "{timestamp}.{body}"`, ErrScheme)
	}
	var t template
	for rest := text; rest != ""; {
		before, after, open := strings.Cut(rest, "{")
		if before != "" {
			t = append(t, segment{kind: segmentLiteral, text: before})
		}
		if !open {
			break
		}
		if tail, escaped := strings.CutPrefix(after, "{"); escaped {
			t = append(t, segment{kind: segmentLiteral, text: "{"})
			rest = tail
			continue
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			return nil, fmt.Errorf("%w: signed %q has a { without its }", ErrScheme, text)
		}
		s, err := parseSegment(name)
		if err != nil {
			return nil, err
		}
		t = append(t, s)
		rest = tail
	}
	return t, nil
}

func parseSegment(name string) (segment, error) {
	if kind, ok := segmentNames[name]; ok {
		return segment{kind: kind}, nil
	}
	kind, argument, _ := strings.Cut(name, ":")
	if argument != "" {
		switch kind {
		case "header":
			return segment{kind: segmentHeader, text: http.CanonicalHeaderKey(argument)}, nil
		case "headers":
			names := strings.Split(argument, ",")
			for i := range names {
				names[i] = http.CanonicalHeaderKey(names[i])
			}
			return segment{kind: segmentHeaderList, text: strings.Join(names, ",")}, nil
		case "header_lines":
			place, names, _ := strings.Cut(argument, ",")
			if list, err := ParsePlace("header_json " + place); err == nil && names != "" {
				all := list.names
				for name := range strings.SplitSeq(names, ",") {
					all = append(all, http.CanonicalHeaderKey(name))
				}
				return segment{kind: segmentHeaderLines, text: strings.Join(all, ",")}, nil
			}
		case "form":
			return segment{kind: segmentForm, text: argument}, nil
		case "form_php":
			return segment{kind: segmentFormPHP, text: argument}, nil
		case "amount":
			return parseAmount(argument)
		case "query":
			return segment{kind: segmentQueryField, text: argument}, nil
		case "json", "json_php":
			p, err := ParsePlace("body " + argument)
			if err != nil {
				return segment{}, err
			}
			if kind == "json_php" {
				return segment{kind: segmentJSONPHP, text: p.names[0]}, nil
			}
			return segment{kind: segmentJSON, text: p.names[0]}, nil
		case "multipart":
			p, err := ParsePlace("multipart " + argument)
			if err != nil {
				return segment{}, err
			}
			return segment{kind: segmentMultipart, text: p.names[0]}, nil
		case "with":
			return segment{kind: segmentWith, text: argument}, nil
		case "sha256", "sha256_base64", "sha256_raw", "md5_base64", "crc32", "quoted":
			if argument == "body" || argument == "url" {
				return segment{kind: segmentDigest, text: kind, of: segmentNames[argument]}, nil
			}
		}
	}
	return segment{}, fmt.Errorf("%w: signed has {%s}: write {body}, {timestamp}, {id}, {extra}, {secret}, {url}, {method}, {path}, {query}, {form_sorted}, {json_sorted}, {header:NAME}, {headers:LIST,NAME}, {header_lines:FIELD>PATH,NAME}, {query:NAME}, {json:PATH}, {json_php:PATH}, {amount:PATH,CURRENCYPATH}, {form:NAME}, {form_php:SIGNATURE}, {multipart:NAME>PATH}, {with:NAME}, or sha256, sha256_base64, sha256_raw, md5_base64, crc32 or quoted of body or url, as {sha256:body}", ErrScheme, name)
}

// fill puts an endpoint's parameters in the place of {with:NAME}.
func (t template) fill(with map[string]string) (template, error) {
	filled := slices.Clone(t)
	for i, s := range filled {
		if s.kind != segmentWith {
			continue
		}
		value, ok := with[s.text]
		if !ok || value == "" {
			return nil, fmt.Errorf("%w: parameter %s is not given: write with %s VALUE", ErrScheme, s.text, s.text)
		}
		filled[i] = segment{kind: segmentLiteral, text: value}
	}
	return filled, nil
}

// signedFields are the values that a template takes from a delivery and that
// are known before the first byte is written.
type signedFields struct {
	timestamp, id, extra, secret string

	event string // for tokens that are made, which have it inside
}

// sink takes the signed bytes, piece by piece: a hash, or the whole message for
// a signature that is made over one.
type sink interface {
	write(b []byte)
	writeString(s string)
}

// writeTo writes the signed bytes. It is the caller's affair that the fields
// are single values; a header that the template names must be single, too.
func (t template) writeTo(to sink, r *Request, f signedFields) error {
	for _, s := range t {
		switch s.kind {
		case segmentLiteral:
			to.writeString(s.text)
		case segmentBody:
			to.write(r.Body)
		case segmentTimestamp:
			to.writeString(f.timestamp)
		case segmentID:
			to.writeString(f.id)
		case segmentExtra:
			to.writeString(f.extra)
		case segmentSecret:
			to.writeString(f.secret)
		case segmentURL:
			to.writeString(r.URL)
		case segmentMethod:
			to.writeString(r.Method)
		case segmentPath:
			to.writeString(r.Path)
		case segmentQuery:
			to.writeString(r.Query)
		case segmentHeader:
			value, err := Place{kind: inHeader, names: []string{s.text}}.Value(r)
			if err != nil {
				return fmt.Errorf("%w: header %s: %w", ErrSignatureMalformed, s.text, err)
			}
			to.writeString(value)
		case segmentHeaderList:
			if err := writeHeaders(to, r, strings.Split(s.text, ",")); err != nil {
				return err
			}
		case segmentHeaderLines:
			if err := writeHeaderLines(to, r, s.text); err != nil {
				return err
			}
		case segmentJSON:
			if err := t.signedAlone(r.Body, s.text); err != nil {
				return err
			}
			to.writeString(jsonValue(r.Body, s.text, false))
		case segmentJSONSorted:
			text, err := canonicalJSON(r.Body, canonical{sorted: true})
			if err != nil {
				return err
			}
			to.writeString(text)
		case segmentJSONPHP:
			text, err := phpJSON(r.Body, s.text)
			if err != nil {
				return err
			}
			to.writeString(text)
		case segmentForm:
			value, err := Place{kind: inForm, names: []string{s.text}}.Value(r)
			if err != nil {
				return fmt.Errorf("%w: form field %s: %w", ErrSignatureMalformed, s.text, err)
			}
			to.writeString(value)
		case segmentMultipart:
			value, err := multipartSigned(r, s.text)
			if err != nil {
				return err
			}
			to.writeString(value)
		case segmentQueryField:
			value, err := Place{kind: inQuery, names: []string{s.text}}.Value(r)
			if err != nil {
				return fmt.Errorf("%w: query parameter %s: %w", ErrSignatureMalformed, s.text, err)
			}
			to.writeString(value)
		case segmentAmount:
			text, err := t.amount(r.Body, s.text)
			if err != nil {
				return err
			}
			to.writeString(text)
		case segmentFormPHP:
			if err := writeFormPHP(to, r.Body, s.text); err != nil {
				return err
			}
		case segmentFormSorted:
			if err := writeForm(to, r.Body); err != nil {
				return err
			}
		case segmentDigest:
			of := r.Body
			if s.of == segmentURL {
				of = []byte(r.URL)
			}
			to.writeString(digestText(s.text, of))
		}
	}
	return nil
}
