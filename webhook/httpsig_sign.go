package webhook

import (
	"crypto/sha256"
	"strconv"

	"github.com/dunglas/httpsfv"
)

// messageSigner makes what a messageMethod takes.
type messageSigner struct {
	scheme *scheme
	seal   seal
}

// sign adds Content-Digest and Signature-Input to the request, and returns what
// the scheme's format has for {signature}.
func (s messageSigner) sign(_ template, r *Request, f signedFields) (string, error) {
	m := s.scheme.method.(*messageMethod)
	digest := sha256.Sum256(r.Body)
	if err := setMember(r, contentDigest, "sha-256", httpsfv.NewItem(digest[:])); err != nil {
		return "", err
	}
	input, err := s.input(m, r, f)
	if err != nil {
		return "", err
	}
	_, base, err := signatureBase(r, input)
	if err != nil {
		return "", err
	}
	label, prefix := m.label, ""
	if label == "" {
		label, prefix = "sig1", "sig1="
	}
	if err := setMember(r, messageInput, label, input); err != nil {
		return "", err
	}
	sum, err := s.seal([]byte(base))
	if err != nil {
		return "", err
	}
	signature, err := httpsfv.Marshal(httpsfv.NewItem(sum))
	return prefix + signature, err
}

func setMember(r *Request, field, name string, value httpsfv.Member) error {
	d := httpsfv.NewDictionary()
	d.Add(name, value)
	text, err := httpsfv.Marshal(d)
	r.Header.Set(field, text)
	return err
}

// input names what a signature of this request has to cover, and no more.
func (s messageSigner) input(m *messageMethod, r *Request, f signedFields) (httpsfv.InnerList, error) {
	list := httpsfv.InnerList{Params: httpsfv.NewParams()}
	var components []component
	for _, c := range m.needed(r) {
		if covered(components, c) {
			continue
		}
		components = append(components, c)
		item := httpsfv.NewItem(c.name)
		if c.param != "" {
			item.Params.Add("name", c.param)
		}
		list.Items = append(list.Items, item)
	}
	if s.scheme.timestamp.place.kind == inClaim {
		created, err := strconv.ParseInt(f.timestamp, 10, 64)
		if err != nil {
			return list, err
		}
		list.Params.Add("created", created)
	}
	if p := s.scheme.id; p != nil && p.kind == inClaim {
		list.Params.Add("nonce", f.id)
	}
	for _, c := range s.scheme.claims {
		text, err := c.any[0].render(r)
		if err != nil {
			return list, err
		}
		list.Params.Add(c.name, text)
	}
	return list, nil
}
