package diagnosis

import (
	"fmt"
	"iter"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/hookpass/hookpass/webhook"
)

// address undoes what proxies do to a URL that is signed.
func (s *search) address(error) (Finding, bool) {
	for v := range s.addresses() {
		if _, err := s.matched(s.own, v.request); err == nil && s.complete() {
			return v.proven(), true
		}
	}
	return Finding{}, false
}

// signsAddress reports whether the signature covers any of the URL.
func (s *search) signsAddress() bool {
	signed := s.endpoint.Scheme.Signed + s.endpoint.Scheme.Claims + s.endpoint.Scheme.Require
	for _, word := range []string{"{url}", ":url}", "{path}", "{query", "@target-uri", "@authority", "@path", "@query", "@scheme", "@request-target"} {
		if strings.Contains(signed, word) {
			return true
		}
	}
	return false
}

// address of a request, in the parts that proxies change.
type address struct{ scheme, host, port, path, query string }

func (a address) String() string {
	text := a.scheme + "://" + a.host
	if a.port != "" {
		text += ":" + a.port
	}
	text += a.path
	if a.query != "" {
		text += "?" + a.query
	}
	return text
}

func cutAddress(text string) (a address, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return address{}, false
	}
	// As it is written: what is signed are characters.
	rest := strings.TrimPrefix(text, u.Scheme+"://")
	authority, target := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, target = rest[:i], rest[i:]
	}
	a.scheme = u.Scheme
	a.host, a.port = authority, ""
	if host, port, err := net.SplitHostPort(authority); err == nil {
		a.host, a.port = host, port
		if strings.Contains(host, ":") {
			a.host = "[" + host + "]"
		}
	}
	a.path, a.query, _ = strings.Cut(target, "?")
	return a, true
}

// most bounds how many values of a sender's header fields are tried.
const most = 4

// addresses are the URLs under which the sender may know the endpoint: those with
// one part changed first.
func (s *search) addresses() iter.Seq[variant] {
	return func(yield func(variant) bool) {
		a, ok := cutAddress(s.delivery.Request.URL)
		if !ok || !s.signsAddress() {
			return
		}
		choices := s.choices(a)
		seen := map[string]bool{a.String(): true}
		for changes := 1; changes <= len(choices); changes++ {
			for b := range combined(choices, changes) {
				text := b.String()
				if seen[text] {
					continue
				}
				seen[text] = true
				r := s.with(func(r *webhook.Request) { r.URL, r.Path, r.Query = text, b.path, b.query })
				if !yield(variant{differs(a, b), r}) {
					return
				}
			}
		}
	}
}

// choices are the values of each part, the received one first.
func (s *search) choices(a address) [5][]string {
	h := s.delivery.Request.Header
	schemes := []string{a.scheme, "https", "http"}
	hosts, ports := []string{a.host}, []string{a.port, "", "443", "80", "8080", "8443", h.Get("X-Forwarded-Port")}
	paths, queries := []string{a.path}, []string{a.query}

	known := []string{s.endpoint.PublicURL}
	for _, other := range s.process.Others {
		known = append(known, other.PublicURL)
	}
	for _, name := range []string{"X-Forwarded-Host", "X-Original-Host", "X-Host", "X-Forwarded-Server", "Host"} {
		host, _, _ := strings.Cut(h.Get(name), ",")
		known = append(known, "https://"+strings.TrimSpace(host))
	}
	for pair := range strings.FieldsFuncSeq(h.Get("Forwarded"), func(r rune) bool { return r == ';' || r == ',' }) {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "host") {
			known = append(known, "https://"+strings.Trim(value, `"`))
		}
	}
	for _, text := range known {
		if other, ok := cutAddress(text); ok {
			hosts, ports = append(hosts, other.host), append(ports, other.port)
			if prefix := strings.TrimSuffix(other.path, "/"); prefix != "" {
				paths = append(paths, prefix, prefix+a.path)
			}
		}
	}
	if bare, ok := strings.CutPrefix(a.host, "www."); ok {
		hosts = append(hosts, bare)
	} else {
		hosts = append(hosts, "www."+a.host)
	}
	hosts = append(hosts, strings.ToLower(a.host))

	if bare, ok := strings.CutSuffix(a.path, "/"); ok {
		paths = append(paths, bare)
	} else {
		paths = append(paths, a.path+"/")
	}
	for _, name := range []string{"X-Forwarded-Prefix", "X-Script-Name"} {
		if prefix := strings.Trim(h.Get(name), "/"); prefix != "" {
			paths = append(paths, "/"+prefix+a.path)
		}
	}
	for _, name := range []string{"X-Original-Uri", "X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Uri", "X-Envoy-Original-Path"} {
		if target := h.Get(name); target != "" {
			if whole, ok := cutAddress(target); ok {
				target = strings.TrimPrefix(target, whole.scheme+"://"+whole.host)
			}
			path, query, _ := strings.Cut(target, "?")
			paths, queries = append(paths, path), append(queries, query)
		}
	}
	// A proxy may have put the endpoint below a prefix of its own.
	for rest, i := a.path, 0; i < most; i++ {
		_, below, found := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		if !found {
			break
		}
		rest = "/" + below
		paths = append(paths, rest)
	}
	if plain, err := url.PathUnescape(a.path); err == nil {
		paths = append(paths, plain, (&url.URL{Path: plain}).EscapedPath())
	}
	paths = append(paths, upperEscapes(a.path), lowerEscapes(a.path))

	if fields, err := url.ParseQuery(a.query); err == nil && a.query != "" {
		queries = append(queries, "")
		for _, written := range respelt(a.query, fields) {
			queries = append(queries, written.text)
		}
	}
	return [5][]string{schemes, distinct(hosts), distinct(ports), distinct(paths), distinct(queries)}
}

// distinct leaves out repeats and keeps the order.
func distinct(values []string) []string {
	const atMost = 12
	var kept []string
	for _, value := range values {
		if !slices.Contains(kept, value) && len(kept) < atMost {
			kept = append(kept, value)
		}
	}
	return kept
}

// combined yields the addresses with exactly so many parts changed.
func combined(choices [5][]string, changes int) iter.Seq[address] {
	return func(yield func(address) bool) {
		var parts [5]string
		var walk func(part, changes int) bool
		walk = func(part, changes int) bool {
			if part == len(choices) {
				return changes > 0 || yield(address{parts[0], parts[1], parts[2], parts[3], parts[4]})
			}
			for i, value := range choices[part] {
				left := changes
				if i > 0 {
					left--
				}
				if left < 0 {
					break
				}
				parts[part] = value
				if !walk(part+1, left) {
					return false
				}
			}
			return true
		}
		walk(0, changes)
	}
}

// differs explains that the sender knows the address as b.
func differs(a, b address) explanation {
	var x explanation
	var parts []string
	differ := func(cause Cause, differs bool, text string) {
		if differs {
			if x.cause == "" {
				x.cause = cause
			}
			parts = append(parts, text)
		}
	}
	differ(URLScheme, a.scheme != b.scheme, fmt.Sprintf("scheme %s and not %s", b.scheme, a.scheme))
	differ(URLHost, a.host != b.host, fmt.Sprintf("host %s and not %s", quoted(b.host), quoted(a.host)))
	port := "port " + b.port
	if b.port == "" {
		port = "no port"
	}
	differ(URLPort, a.port != b.port, fmt.Sprintf("%s where %s arrived", port, strings.TrimSpace("one "+a.port)))
	if a.port == "" && a.port != b.port {
		parts[len(parts)-1] = port + " where none arrived"
	}
	differ(URLPath, a.path != b.path, fmt.Sprintf("path %s and not %s", quoted(b.path), quoted(a.path)))
	query := "the query in another order or spelling"
	switch {
	case b.query == "":
		query = "no query"
	case a.query == "":
		query = "a query, which is lost"
	}
	differ(URLQuery, a.query != b.query, query)
	x.sentence = "The sender signed another URL than the one that arrived: " + strings.Join(parts, "; ") + "."
	switch x.cause {
	case URLPath:
		x.remedy = "Have the proxy keep the path, or write the one that the sender knows into public_url."
	case URLQuery:
		x.remedy = "Have the proxy keep the query as it is, or enter the address without one at the provider."
	default:
		x.remedy = fmt.Sprintf("Write the address that the provider has: public_url %s", quotedURL(b))
	}
	return x
}

func quotedURL(a address) string {
	text := a.scheme + "://" + a.host
	if a.port != "" {
		text += ":" + a.port
	}
	return cut(text)
}

// longestText bounds what is repeated of a sender's texts, in bytes.
const longestText = 100

func cut(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if len(text) > longestText {
		return text[:longestText] + "…"
	}
	return text
}

// quoted makes a sender's text harmless.
func quoted(text string) string { return fmt.Sprintf("%q", cut(text)) }

// spelling is a form or query as some software writes it.
type spelling struct{ how, text string }

// respelt writes a form or query anew.
func respelt(text string, fields url.Values) []spelling {
	parts := strings.Split(text, "&")
	sorted := slices.Sorted(slices.Values(parts))
	reversed := slices.Clone(parts)
	slices.Reverse(reversed)
	var anew []string
	for _, part := range parts {
		name, value, _ := strings.Cut(part, "=")
		name, _ = url.QueryUnescape(name) // it has been parsed
		value, _ = url.QueryUnescape(value)
		anew = append(anew, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	plain, _ := url.QueryUnescape(text)
	escaped := strings.Join(anew, "&")
	return []spelling{
		{"it was signed in the order of the names", strings.Join(sorted, "&")},
		{"it was signed in the order of the names, escaped anew", fields.Encode()},
		{"it was signed in the reverse order", strings.Join(reversed, "&")},
		{"it was signed with other escapes", escaped},
		{"it was signed with %20 for blanks", strings.ReplaceAll(text, "+", "%20")},
		{"it was signed with + for blanks", strings.ReplaceAll(text, "%20", "+")},
		{"it was signed with %20 for blanks, and other escapes", strings.ReplaceAll(escaped, "+", "%20")},
		{"it was signed with ~ and * as they are", strings.NewReplacer("%7E", "~", "%2A", "*").Replace(escaped)},
		{"it was signed with capitals in its escapes", upperEscapes(text)},
		{"it was signed with small letters in its escapes", lowerEscapes(text)},
		{"it was signed without escapes", plain},
	}
}

func upperEscapes(text string) string { return mapEscapes(text, strings.ToUpper) }
func lowerEscapes(text string) string { return mapEscapes(text, strings.ToLower) }

func mapEscapes(text string, change func(string) string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "%")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		n := min(2, len(after))
		b.WriteString("%" + change(after[:n]))
		text = after[n:]
	}
}
