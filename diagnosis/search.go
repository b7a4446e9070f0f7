package diagnosis

import (
	"encoding/hex"
	"errors"
	"hash/maphash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hookpass/hookpass/webhook"
)

// Limits bound the work of one diagnosis. The zero value is [DefaultLimits].
type Limits struct {
	Variants int // signatures that are computed or checked
	Bytes    int // of what they cover, and of the bodies that are written for them
}

// DefaultLimits are for a process that has deliveries to serve. A body of which a
// single variant would go beyond is not looked into.
var DefaultLimits = Limits{Variants: 3000, Bytes: 16 << 20}

// PatientLimits are for somebody who waits for the answer: some seconds at most.
var PatientLimits = Limits{Variants: 100_000, Bytes: 256 << 20}

const (
	// overhead is what is counted for each signature beside the body, in bytes.
	overhead = 512

	// publicKeyCost is how many keyed digests take as long as one signature that a
	// public key checks.
	publicKeyCost = 16
)

// search is one diagnosis.
type search struct {
	delivery Delivery
	endpoint Endpoint
	process  Process
	left     Limits
	tried    int

	own  *prover // of the endpoint, for timestamps of any age
	seed maphash.Seed
}

func newSearch(l Limits, d Delivery, e Endpoint, p Process) *search {
	if l == (Limits{}) {
		l = DefaultLimits
	}
	if d.Request.Header == nil {
		d.Request.Header = http.Header{}
	}
	if e.Keys != nil {
		e.Keys = &answers{source: e.Keys, known: map[question]answer{}}
	}
	s := &search{delivery: d, endpoint: e, process: p, left: l, seed: maphash.MakeSeed()}
	s.own = newProver(e, e.Scheme, 0, asConfigured(e.Secrets, e.Scheme.Key))
	return s
}

// prover verifies under several keys at once.
type prover struct {
	verifier *webhook.Verifier
	keys     []key
	cost     int // of each request
}

// key is one way to read a secret. Its explanation is empty for the one that is
// configured.
type key struct {
	text string
	form webhook.KeyForm
	explanation
}

// explanation is a finding that is still to be proven.
type explanation struct {
	cause            Cause
	sentence, remedy string
}

func (x explanation) proven() Finding {
	return Finding{Cause: x.cause, Proven: true, Sentence: x.sentence, Remedy: x.remedy}
}

func (x explanation) seen() Finding {
	return Finding{Cause: x.cause, Sentence: x.sentence, Remedy: x.remedy}
}

// newProver returns nil if none of the keys fits the scheme, or the scheme itself
// is not usable.
func newProver(e Endpoint, scheme webhook.Scheme, tolerance time.Duration, keys []key) *prover {
	p := &prover{}
	var secrets []webhook.Secret
	for _, k := range keys {
		secret, err := webhook.ParseSecret(strconv.Itoa(len(secrets)), k.text, k.form)
		if err != nil {
			continue
		}
		if _, err := webhook.NewVerifier(scheme, []webhook.Secret{secret}, 0, e.With); err == nil {
			p.keys, secrets = append(p.keys, k), append(secrets, secret)
		}
	}
	v, err := webhook.NewVerifier(scheme, secrets, tolerance, e.With)
	if err != nil {
		return nil
	}
	p.verifier, p.cost = v, max(1, len(secrets))
	if e.Keys != nil {
		v.FetchFrom(e.Keys)
	}
	if isPublic(scheme) {
		p.cost *= publicKeyCost
	}
	return p
}

func isPublic(s webhook.Scheme) bool {
	return strings.HasPrefix(string(s.Key), string(webhook.KeyPublic))
}

var errLimit = errors.New("the limits of a diagnosis are reached")

// spend takes a share of the limits, and reports whether it was there.
func (s *search) spend(variants, bytes int) bool {
	if s.left.Variants < variants || s.left.Bytes < bytes {
		return false
	}
	s.left.Variants -= variants
	s.left.Bytes -= bytes
	return true
}

// matched is the key that proves a request.
func (s *search) matched(p *prover, r *webhook.Request) (key, error) {
	if p == nil {
		return key{}, webhook.ErrSignatureMismatch
	}
	if !s.spend(p.cost, p.cost*(len(r.Body)+len(r.URL)+overhead)) {
		return key{}, errLimit
	}
	s.tried += max(1, len(p.keys))
	if s.delivery.HeadOnly {
		_, err := p.verifier.VerifyHeader(r, s.delivery.Received)
		return key{}, err
	}
	d, err := p.verifier.Verify(r, s.delivery.Received)
	if err != nil || len(p.keys) == 0 {
		return key{}, err
	}
	i, err := strconv.Atoi(d.Secret)
	return p.keys[i], err
}

// keep takes a share of the limits away, for later.
func (s *search) keep(share float64) Limits {
	kept := Limits{Variants: int(share * float64(s.left.Variants)), Bytes: int(share * float64(s.left.Bytes))}
	s.left.Variants -= kept.Variants
	s.left.Bytes -= kept.Bytes
	return kept
}

func (s *search) check(p *prover, r *webhook.Request) error {
	_, err := s.matched(p, r)
	return err
}

// with returns the request with another header, body or URL.
func (s *search) with(change func(*webhook.Request)) *webhook.Request {
	r := s.delivery.Request
	change(&r)
	return &r
}

// A variant has to be a secret, and not what anybody can guess: a forgery signed
// with an empty key must not be taken for a mistake.
const shortestKey = 4 // bytes

// bareKey is a key of exactly these bytes, whatever is around them.
func bareKey(b []byte) (key, bool) {
	return key{text: hex.EncodeToString(b), form: webhook.KeyHex}, len(b) >= shortestKey
}

// asConfigured are the secrets as they are. One of plain text with blanks around
// it is read with them.
func asConfigured(secrets []Secret, form webhook.KeyForm) []key {
	var keys []key
	for _, c := range secrets {
		k := key{text: c.Text(), form: form}
		if _, err := webhook.ParseSecret("", k.text, form); errors.Is(err, webhook.ErrSecretWhitespace) && isText(form) {
			k, _ = bareKey([]byte(k.text))
		}
		keys = append(keys, k)
	}
	return keys
}

func isText(form webhook.KeyForm) bool { return form == "" || form == webhook.KeyText }

// answers asks a source of keys once, and not for each variant.
type answers struct {
	source webhook.KeySource
	known  map[question]answer
}

type question struct {
	webhook.KeyRequest
	id string
}

type answer struct {
	keys []jose.JSONWebKey
	err  error
}

// Keys implements [webhook.KeySource].
func (a *answers) Keys(r webhook.KeyRequest, id string) ([]jose.JSONWebKey, error) {
	q := question{r, id}
	known, asked := a.known[q]
	if !asked {
		known.keys, known.err = a.source.Keys(r, id)
		a.known[q] = known
	}
	return known.keys, known.err
}

func (s *search) digest(b []byte) uint64 { return maphash.Bytes(s.seed, b) }
