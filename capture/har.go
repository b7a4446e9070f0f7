package capture

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// archive is what a HAR 1.2 file tells of requests.
type archive struct {
	Log struct {
		Entries []entry `json:"entries"`
	} `json:"log"`
}

type entry struct {
	StartedDateTime time.Time `json:"startedDateTime"`
	Request         struct {
		Method  string `json:"method"`
		URL     string `json:"url"`
		Headers []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"headers"`
		PostData struct {
			Text     string            `json:"text"`
			Encoding string            `json:"encoding"` // of no specification, but of some tools
			Params   []json.RawMessage `json:"params"`
		} `json:"postData"`
	} `json:"request"`
}

func parseHAR(text []byte) ([]Request, error) {
	var a archive
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, malformed("it begins like a HAR, but: %w", err)
	}
	if len(a.Log.Entries) == 0 {
		return nil, malformed("it is JSON, but no HAR with requests in log.entries")
	}
	var all []Request
	for i := range a.Log.Entries {
		r, err := a.Log.Entries[i].read()
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		all = append(all, r)
	}
	return all, nil
}

func (e *entry) read() (Request, error) {
	r, err := newRequest(e.Request.Method)
	if err != nil {
		return r, err
	}
	r.Time = e.StartedDateTime
	for _, field := range e.Request.Headers {
		if strings.HasPrefix(field.Name, ":") {
			continue // HTTP/2 has method and address here
		}
		if _, err := r.add(field.Name, field.Value); err != nil {
			return r, err
		}
	}
	if err := r.Address(e.Request.URL); err != nil {
		return r, err
	}
	data := &e.Request.PostData
	r.Body = []byte(data.Text)
	switch {
	case data.Encoding == "base64":
		if r.Body, err = base64.StdEncoding.DecodeString(data.Text); err != nil {
			return r, malformed("its body is not the base64 that it says")
		}
	case data.Text == "" && len(data.Params) > 0:
		return r, malformed("it has the fields of the form, but not its bytes, which were signed")
	}
	r.Header.Del("Transfer-Encoding")
	err = r.fit()
	return r, err
}
