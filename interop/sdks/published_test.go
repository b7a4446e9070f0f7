package sdks

import (
	"io"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/hookpass/hookpass/keyfetch"
	"github.com/hookpass/hookpass/webhook"
)

// published is what a provider answers whoever asks for its keys, and before that
// for a token.
type published string

func (p published) RoundTrip(r *http.Request) (*http.Response, error) {
	text := string(p)
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		text = `{"access_token":"example"}`
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(text))}, nil
}

// source reads the answers as hookpass does.
type source struct{ *keyfetch.Cache }

func (s source) Keys(r webhook.KeyRequest, id string) ([]jose.JSONWebKey, error) {
	return s.Cache.Keys(keyfetch.Request(r), id)
}
