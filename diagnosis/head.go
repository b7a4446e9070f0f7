package diagnosis

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/hookpass/hookpass/webhook"
)

// needed is a header field that a scheme cannot do without, under any of its names.
type needed struct {
	what  string
	names []string
}

func (n needed) values(h http.Header) []string {
	var values []string
	for _, name := range n.names {
		values = append(values, h[name]...)
	}
	return values
}

// neededFields are those of a scheme, the signature's first if it is in one.
func neededFields(s webhook.Scheme) []needed {
	var fields []needed
	add := func(what, place string) {
		words := strings.Fields(place)
		if len(words) < 2 || !strings.HasPrefix(words[0], "header") {
			return
		}
		n := needed{what: what}
		for name := range strings.SplitSeq(words[1], "|") {
			name, _, _ = strings.Cut(name, ">")
			n.names = append(n.names, http.CanonicalHeaderKey(name))
		}
		fields = append(fields, n)
	}
	switch s.Type {
	case webhook.TypeBasic:
		add("signature", "header Authorization")
	case webhook.TypeMessage:
		add("signature", "header Signature")
		add("description of the signature", "header Signature-Input")
	default:
		add("signature", s.Signature)
	}
	add("timestamp", s.Timestamp)
	if strings.Contains(s.Signed, "{id}") {
		add("delivery id", s.DeliveryID)
	}
	for rest := s.Signed; ; {
		_, after, found := strings.Cut(rest, "{header:")
		if !found {
			return fields
		}
		var name string
		name, rest, _ = strings.Cut(after, "}")
		add("signed text", "header "+name)
	}
}

// signatureFormat is what stands around a signature.
func signatureFormat(s webhook.Scheme) (before, after string) {
	words := strings.SplitN(s.Signature, " ", 3)
	if len(words) < 3 {
		return "", ""
	}
	before, after, _ = strings.Cut(words[2], "{signature}")
	return before, after
}

// head undoes what proxies and copying by hand do to header fields.
func (s *search) head(err error) (Finding, bool) {
	for v := range s.heads() {
		if _, err := s.matched(s.own, v.request); err != nil {
			continue
		}
		if s.complete() {
			return v.proven(), true
		}
		// Without the body, a field that now looks right is all there is to see.
		if errors.Is(err, webhook.ErrSignatureMissing) || errors.Is(err, webhook.ErrTimestampMissing) || errors.Is(err, webhook.ErrSignatureMalformed) {
			return v.seen(), true
		}
	}
	return s.oldDigest()
}

func (s *search) heads() iter.Seq[variant] {
	return func(yield func(variant) bool) {
		h := s.delivery.Request.Header
		more := true
		offer := func(x explanation, change func(http.Header)) {
			if !more {
				return
			}
			changed := h.Clone()
			change(changed)
			more = yield(variant{x, s.with(func(r *webhook.Request) { r.Header = changed })})
		}
		fields := neededFields(s.endpoint.Scheme)
		renamed(h, fields, offer)
		for _, field := range fields {
			prefix := ""
			if field.what == "signature" {
				prefix, _ = signatureFormat(s.endpoint.Scheme)
			}
			joined(h, field, prefix, offer)
		}
		if len(fields) > 0 && fields[0].what == "signature" {
			s.misspelt(h, fields[0], offer)
		}
	}
}

// renamed finds fields whose names are almost those of the missing ones.
func renamed(h http.Header, fields []needed, offer func(explanation, func(http.Header))) {
	moved := map[string]string{} // from, to
	for _, field := range fields {
		if len(field.values(h)) > 0 {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(h)) {
			if slices.ContainsFunc(field.names, func(wanted string) bool { return essence(name) == essence(wanted) && name != wanted }) {
				moved[name] = field.names[0]
				break
			}
		}
	}
	if len(moved) == 0 {
		return
	}
	from := slices.Sorted(maps.Keys(moved))
	remedy := "Have the proxy in front keep the names of header fields."
	if strings.ContainsAny(from[0], "_.") {
		remedy += " Caddy drops those with an underscore or a dot unless they are listed under expected_underscore_headers or expected_dot_headers in its servers option."
	}
	offer(explanation{HeaderRenamed, fmt.Sprintf("The header field %s arrived under the name %s.", moved[from[0]], quoted(from[0])), remedy}, func(h http.Header) {
		for from, to := range moved {
			h[to] = h[from]
			delete(h, from)
		}
	})
}

// What proxies and gateways put before the name of a field that they keep.
var additions = []string{"http", "x", "amznremapped", "original", "forwarded", "orig", "webhook"}

// essence is what stays of a field's name when it is mangled.
func essence(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		}
	}
	text := b.String()
	for {
		cut := text
		for _, addition := range additions {
			if rest, ok := strings.CutPrefix(cut, addition); ok && len(rest) > len("sig") {
				cut = rest
			}
		}
		if cut == text {
			return text
		}
		text = cut
	}
}

// joined takes apart what a proxy has made one field of.
func joined(h http.Header, field needed, prefix string, offer func(explanation, func(http.Header))) {
	const pieces = 8
	values := field.values(h)
	if len(values) == 0 {
		return
	}
	name := field.names[0]
	for _, n := range field.names {
		if len(h[n]) > 0 {
			name = n
		}
	}
	set := func(values ...string) func(http.Header) {
		return func(h http.Header) { h[name] = values }
	}
	x := explanation{HeaderJoined, fmt.Sprintf("The header field %s holds several values that arrived as one.", name), "Have the proxy in front pass each field on as it came, or send the " + field.what + " once."}
	if between := strings.ReplaceAll(values[0], ","+prefix, " "+prefix); prefix != "" && between != values[0] {
		offer(x, set(between))
	}
	for _, comma := range []string{", ", ",", "; "} {
		if parts := strings.SplitN(values[0], comma, pieces); len(values) == 1 && len(parts) > 1 {
			for i := range parts {
				parts[i] = strings.TrimSpace(parts[i])
			}
			offer(x, set(parts...))
			for _, part := range parts {
				offer(x, set(part))
			}
		}
	}
	if len(values) > 1 {
		x.sentence = fmt.Sprintf("The header field %s came several times, with different values.", name)
		for _, value := range values[:min(pieces, len(values))] {
			offer(x, set(value))
		}
		offer(x, set(strings.Join(values, ", ")))
		offer(x, set(strings.Join(values, ",")))
		offer(x, set(strings.Join(values, " ")))
	}
}

// misspelt undoes what quoting and escaping do to a signature.
func (s *search) misspelt(h http.Header, field needed, offer func(explanation, func(http.Header))) {
	values := field.values(h)
	if len(values) != 1 || values[0] == "" {
		return
	}
	name := field.names[slices.IndexFunc(field.names, func(name string) bool { return len(h[name]) > 0 })]
	value := strings.TrimSpace(values[0])
	before, after := signatureFormat(s.endpoint.Scheme)
	try := func(what, text string) {
		if text != values[0] {
			offer(explanation{HeaderValue, fmt.Sprintf("The signature in the header field %s is right, but %s.", name, what), "Have what stands between the sender and hookpass pass the field on as it came; if the scheme is your own, correct the format behind signature."}, func(h http.Header) { h[name] = []string{text} })
		}
	}
	unquoted := strings.Trim(value, `"'`)
	try("in quotes", unquoted)
	if inside, ok := strings.CutPrefix(value, "b'"); ok {
		try("written as Python shows bytes", strings.TrimSuffix(inside, "'"))
	}
	if plain, err := url.PathUnescape(value); err == nil {
		try("escaped as in a URL", plain)
	}
	try("with blanks in the place of plus signs", strings.ReplaceAll(value, " ", "+"))
	try("with a sign behind it", strings.TrimRight(value, ",; "))
	try("in another alphabet of base64", strings.NewReplacer("-", "+", "_", "/").Replace(value))
	if before != "" && !strings.Contains(before, "{") {
		prefix := strings.TrimSpace(before)
		try("without the prefix "+quoted(prefix), before+value+after)
		if len(value) > len(prefix) && strings.EqualFold(value[:len(prefix)], prefix) {
			try("with its prefix in other letters", before+value[len(prefix):])
			try("with its prefix twice", strings.TrimPrefix(value, prefix))
		}
		if _, rest, found := strings.Cut(value, "="); found && !strings.HasPrefix(value, before) {
			try("with another prefix than "+quoted(prefix), before+rest+after)
		}
	} else if before == "" {
		for _, cut := range []string{"=", ",", " ", ":"} {
			if prefix, rest, found := strings.Cut(value, cut); found && rest != "" && len(prefix) < len("signature") {
				try("with a prefix in front", strings.TrimSpace(rest))
			}
		}
	}
}

// oldDigest looks for the header field with SHA-1 that a provider sends beside the
// one with SHA-256.
func (s *search) oldDigest() (Finding, bool) {
	scheme := s.endpoint.Scheme
	words := strings.SplitN(scheme.Signature, " ", 3)
	if scheme.Type != webhook.TypeHMAC || scheme.Algorithm != "sha256" || len(words) < 2 || words[0] != "header" {
		return Finding{}, false
	}
	wanted, _, _ := strings.Cut(words[1], "|")
	if len(s.delivery.Request.Header.Values(wanted)) > 0 {
		return Finding{}, false
	}
	for _, name := range []string{strings.TrimSuffix(wanted, "-256"), strings.Replace(wanted, "256", "1", 1), strings.TrimSuffix(strings.ToLower(wanted), "-sha256")} {
		if strings.EqualFold(name, wanted) || s.delivery.Request.Header.Get(name) == "" {
			continue
		}
		old := scheme
		old.Algorithm = "sha1"
		old.Signature = "header " + name
		if len(words) > 2 {
			old.Signature += " " + strings.ReplaceAll(words[2], "sha256", "sha1")
		}
		p := newProver(s.endpoint, old, 0, asConfigured(s.endpoint.Secrets, scheme.Key))
		if _, err := s.matched(p, &s.delivery.Request); err != nil {
			continue
		}
		x := explanation{
			OldDigest,
			fmt.Sprintf("Only %s with SHA-1 arrived, and not %s with SHA-256.", http.CanonicalHeaderKey(name), http.CanonicalHeaderKey(wanted)),
			"Have the sender, or the proxy that picks the header fields, send the one with SHA-256.",
		}
		if s.complete() {
			return x.proven(), true
		}
		return x.seen(), true
	}
	return Finding{}, false
}
