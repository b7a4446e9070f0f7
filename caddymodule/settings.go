package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/delivery"
	"github.com/hookpass/hookpass/webhook"
)

// customName stands in for the provider of an endpoint that describes its own
// scheme.
const customName = "custom"

// settings is an endpoint's configuration with all defaults applied.
type settings struct {
	name         string
	provider     string
	scheme       webhook.Scheme
	handshakes   []webhook.Handshake
	parameters   []string // the names that with must give
	emptyRefusal bool
	received     catalog.Received
	proof        webhook.Proof
	tolerance    time.Duration // 0: any age
	events       patterns
	maxBody      int64
	read         time.Duration
	mode         delivery.Mode
	publicURL    string
	forward      time.Duration
	dedup        dedupSettings
}

type dedupSettings struct {
	off     bool
	window  time.Duration
	wait    time.Duration
	key     dedupKey
	watched bool // a copy may come under another id, as nobody signs that
}

// settingError tells the Caddyfile adapter which word is at fault, and so its
// line. A word of an inner block has the block's name before it.
type settingError struct {
	error
	word string
}

func (e *settingError) Unwrap() error { return e.error }

func wrong(word, format string, args ...any) error {
	return &settingError{fmt.Errorf("%s: %w", word, fmt.Errorf(format, args...)), word}
}

var endpointName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// resolve applies the defaults and checks everything but the secrets' values,
// which the adapter does not know.
func (h *VerifyWebhook) resolve(catalogue catalog.Catalogue) (settings, error) {
	s := settings{
		provider:  customName,
		maxBody:   cmp.Or(h.MaxBody, defaultMaxBody),
		read:      cmp.Or(time.Duration(h.ReadTimeout), defaultReadTimeout),
		mode:      cmp.Or(delivery.Mode(h.Mode), delivery.ModeEnforce),
		forward:   cmp.Or(time.Duration(h.ForwardTimeout), defaultForwardTimeout),
		tolerance: webhook.DefaultTolerance,
		publicURL: strings.TrimRight(h.PublicURL, "/"),
	}
	window, unlessSaid := catalog.MinWindow, &Dedup{}
	switch {
	case h.Provider == "" && h.Scheme == nil:
		return s, errors.New("no provider: write one, such as verify_webhook stripe, or describe a scheme")
	case h.Provider != "" && h.Scheme != nil:
		return s, wrong("scheme", "the provider has its own: leave out one of them")
	case h.Scheme != nil:
		s.scheme = *h.Scheme
	default:
		p, err := catalogue.Lookup(h.Provider)
		if err != nil {
			return s, err
		}
		s.provider = p.ID
		s.scheme, s.tolerance, window = p.Scheme, p.MaxAge(), p.Window()
		s.maxBody = cmp.Or(h.MaxBody, int64(p.MaxBody), defaultMaxBody)
		s.handshakes, s.parameters, s.emptyRefusal = p.Handshakes, p.Parameters(), p.EmptyRefusal
		s.received = p.Received
		unlessSaid.Off = p.Dedup == "off"
	}
	if s.name = cmp.Or(h.Name, s.provider); !endpointName.MatchString(s.name) {
		return s, wrong("name", "%q is not usable: write up to 64 letters, digits, dots, dashes and underscores", s.name)
	}
	facts, err := s.scheme.Facts()
	if err != nil {
		word := "scheme"
		if fault := (*webhook.SchemeError)(nil); errors.As(err, &fault) {
			word += " " + fault.Word
		}
		return s, &settingError{err, word}
	}
	s.proof = facts.Proof
	if err := h.checkSecrets(facts); err != nil {
		return s, err
	}
	if h.Scheme != nil {
		s.parameters = facts.Parameters
	}
	if err := h.checkWith(s.parameters); err != nil {
		return s, err
	}
	switch {
	case !facts.HasTimestamp && h.Tolerance != nil:
		return s, wrong("tolerance", "%s signs no timestamp, so there is none to check: remove it", s.provider)
	case !facts.HasTimestamp:
		s.tolerance = 0
	case h.Tolerance != nil:
		s.tolerance = time.Duration(*h.Tolerance)
	}
	if s.events, err = parsePatterns(h.Events); err != nil {
		return s, err
	}
	if err := h.checkRanges(s); err != nil {
		return s, err
	}
	s.dedup, err = resolveDedup(cmp.Or(h.Dedup, unlessSaid), facts, h.Provider != "", s.tolerance, window)
	return s, err
}

func (h *VerifyWebhook) checkRanges(s settings) error {
	switch {
	case s.tolerance < 0:
		return wrong("tolerance", "must not be negative: write a duration such as 5m, or off")
	case s.maxBody < 0:
		return wrong("max_body", "must be positive: write a size such as 1MiB")
	case s.read < 0:
		return wrong("read_timeout", "must be positive: write a duration such as 10s")
	case s.forward < 0:
		return wrong("forward_timeout", "must be positive: write a duration such as 30s")
	case s.mode != delivery.ModeEnforce && s.mode != delivery.ModeMonitor:
		return wrong("mode", "%q is unknown: write enforce or monitor", h.Mode)
	}
	if h.PublicURL != "" {
		u, err := url.Parse(h.PublicURL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || strings.ContainsAny(h.PublicURL, "?#") {
			return wrong("public_url", "must be scheme and host, with a path prefix at most: write it like https://hooks.example.com")
		}
	}
	return nil
}

func (h *VerifyWebhook) checkWith(parameters []string) error {
	for name, value := range h.With {
		switch {
		case len(parameters) == 0:
			return wrong("with "+name, "%s takes no parameters: remove it", cmp.Or(h.Provider, "the scheme"))
		case !slices.Contains(parameters, name):
			return wrong("with "+name, "unknown parameter: did you mean %s?", catalog.Nearest(name, parameters))
		case value == "":
			return wrong("with "+name, "empty: write with %s VALUE", name)
		}
	}
	for _, name := range parameters {
		if _, ok := h.With[name]; !ok {
			return wrong("with "+name, "missing: write with %s VALUE", name)
		}
	}
	return nil
}

func resolveDedup(d *Dedup, facts webhook.Facts, catalogued bool, tolerance, window time.Duration) (dedupSettings, error) {
	if d.Off {
		if *d != (Dedup{Off: true}) {
			return dedupSettings{}, wrong("dedup", "is off: remove its other settings")
		}
		off := dedupSettings{off: true}
		if !facts.HasID {
			off.key.kind = keyContent // what sign calls a delivery by
		}
		return off, nil
	}
	// A copy is accepted from MaxFuture before its timestamp to the tolerance
	// behind it, so that is how long it must be recognised.
	accepted := time.Duration(0)
	if tolerance > 0 {
		accepted = tolerance + min(tolerance, webhook.MaxFuture)
	}
	s := dedupSettings{window: max(window, accepted), wait: defaultWait}
	if d.Window != 0 {
		s.window = time.Duration(d.Window)
	}
	if d.Wait != nil {
		s.wait = time.Duration(*d.Wait)
	}
	switch {
	case s.window < 0:
		return s, wrong("dedup window", "must be positive: write a duration such as 24h")
	case s.window < accepted:
		return s, wrong("dedup window", "%s is shorter than the %s for which the tolerance lets a copy through: write at least %[2]s", s.window, accepted)
	case s.wait < 0:
		return s, wrong("dedup wait", "must not be negative: write a duration such as 2s")
	}
	var err error
	if s.key, err = parseDedupKey(d.Key); err != nil {
		return s, err
	}
	if d.Key == "" && !facts.HasID && catalogued {
		s.key.kind = keyContent // a timestamp is no better: a retry's is new
	}
	if s.key.kind == keyProvider && !facts.HasID {
		return s, wrong("dedup", "the scheme has no delivery_id to tell copies by: add one, or write key content into a dedup block, or dedup off")
	}
	s.watched = s.key.kind == keyProvider && !facts.SignsID || s.key.kind == keyPlace && strings.HasPrefix(d.Key, "header ")
	return s, nil
}

// dedupKey is what makes two deliveries the same.
type dedupKey struct {
	kind  string
	place webhook.Place
}

const (
	keyProvider = "provider"
	keyContent  = "content"
	keyPlace    = "place"
)

func parseDedupKey(text string) (dedupKey, error) {
	switch text {
	case "", keyProvider:
		return dedupKey{kind: keyProvider}, nil
	case keyContent:
		return dedupKey{kind: keyContent}, nil
	}
	kind, _, _ := strings.Cut(text, " ")
	if kind != "header" && kind != "body" {
		return dedupKey{}, wrong("dedup key", "%q is unknown: write provider, content, header NAME or body JSON.PATH", text)
	}
	place, err := webhook.ParseID(text)
	if err != nil {
		return dedupKey{}, wrong("dedup key", "%w", err)
	}
	return dedupKey{keyPlace, place}, nil
}

// patterns are the event types an endpoint takes; none of them means all.
type patterns []string

func parsePatterns(words []string) (patterns, error) {
	for _, word := range words {
		if word == "" || strings.TrimSpace(word) != word {
			return nil, wrong("events", "%q is no event type: write one such as task.created, or task.*", word)
		}
	}
	return words, nil
}

// match reports whether a delivery is to be taken. One of several events, which
// has their types joined by commas, is if one of them is: to ignore it would
// lose that one.
func (p patterns) match(events string) bool {
	return len(p) == 0 || slices.ContainsFunc(p, func(pattern string) bool {
		return pattern == "*" || slices.ContainsFunc(strings.Split(events, ","), func(event string) bool {
			return event != "" && matchPattern(pattern, event)
		})
	})
}

// matchPattern reports whether text is pattern with each * filled in. The
// leftmost place for each literal is enough: what follows has the more room.
func matchPattern(pattern, text string) bool {
	literals := strings.Split(pattern, "*")
	first, last := literals[0], literals[len(literals)-1]
	if len(literals) == 1 {
		return pattern == text
	}
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, literal := range literals[1 : len(literals)-1] {
		_, rest, found := strings.Cut(text, literal)
		if !found {
			return false
		}
		text = rest
	}
	return true
}
