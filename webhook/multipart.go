package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
)

// multipartFields returns the values of a field of a multipart/form-data body
// (RFC 7578), none if the body is not one. A file's content is a value, too: it is
// better refused as a conflict than overlooked.
func multipartFields(r *Request, name string) []string {
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return nil
	}
	var values []string
	parts := multipart.NewReader(bytes.NewReader(r.Body), parameters["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return values
		}
		if err != nil {
			return nil
		}
		if part.FormName() != name {
			continue
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil
		}
		values = append(values, string(value))
	}
}

// multipartValues returns the values at "field", or in the JSON of the field at
// "field>path": if whole, as jsonValue says.
func multipartValues(r *Request, name string, whole bool) []string {
	field, path, inside := strings.Cut(name, ">")
	values := multipartFields(r, field)
	if !inside {
		return values
	}
	var found []string
	for _, value := range values {
		if v := jsonValue([]byte(value), path, whole); v != "" {
			found = append(found, v)
		}
	}
	return found
}

// multipartSigned returns the one value at such a place. As only some of the
// JSON is signed there, it must not be ambiguous.
func multipartSigned(r *Request, name string) (string, error) {
	field, path, inside := strings.Cut(name, ">")
	value, err := Place{kind: inMultipart, names: []string{field}}.Value(r)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: form field %s: %w", ErrSignatureMalformed, field, err)
	case !inside:
		return value, nil
	}
	if err := unambiguous([]byte(value)); err != nil {
		return "", err
	}
	return jsonValue([]byte(value), path, false), nil
}
