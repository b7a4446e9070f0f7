package main

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// sidecarFile is the name of the Caddyfile in errors, from which they are told
// apart.
const sidecarFile = "sidecar"

// caddyfile is a Caddyfile that knows where its lines come from.
type caddyfile struct {
	text  strings.Builder
	from  []said
	depth int
}

// line adds one of words. A last word { opens a block.
func (f *caddyfile) line(from said, words ...string) {
	if words[0] == "}" {
		f.depth--
	}
	f.text.WriteString(strings.Repeat("\t", f.depth) + strings.Join(words, " ") + "\n")
	f.from = append(f.from, from)
	if words[len(words)-1] == "{" {
		f.depth++
	}
}

var plainWord = regexp.MustCompile(`^(\{(env|file)\.)?[A-Za-z0-9_./:*@%+,=&?|~\[\]-]+\}?$`)

// quoted is a text from the environment as one word. checkText has seen to it
// that it has none of the characters that a quoted word must not have, such as
// braces, but for those of a reference.
func quoted(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "`" + text + "`"
}

// caddyfile writes what the settings stand for. Secrets are only referred to.
func (c *sidecarConfig) caddyfile(terminal bool) (*caddyfile, error) {
	upstreams := make([]upstream, len(c.endpoints))
	for i, e := range c.endpoints {
		var err error
		if upstreams[i], err = c.upstream(e); err != nil {
			return nil, err
		}
	}
	if err := c.checkPorts(upstreams); err != nil {
		return nil, err
	}
	f := new(caddyfile)
	f.line(said{}, "{")
	if err := c.writeOptions(f, upstreams, terminal); err != nil {
		return nil, err
	}
	f.line(said{}, "}")

	if err := c.writeSite(f, upstreams); err != nil {
		return nil, err
	}
	return f, c.writeConsole(f)
}

// or returns what is said, or else the default.
func (c *sidecarConfig) or(name, unlessSaid string) said {
	if given, ok := c.said[name]; ok {
		return given
	}
	return said{text: unlessSaid, from: variablePrefix + name}
}

const off = "off"

func (c *sidecarConfig) listen() said  { return c.or("LISTEN", ":8080") }
func (c *sidecarConfig) health() said  { return c.or("HEALTH_LISTEN", defaultHealth) }
func (c *sidecarConfig) console() said { return c.or("CONSOLE", off) }
func (c *sidecarConfig) admin() said   { return c.or("ADMIN", "localhost:2019") }

func (c *sidecarConfig) writeSite(f *caddyfile, upstreams []upstream) error {
	listen := c.listen()
	socket := strings.HasPrefix(listen.text, "unix/")
	host, port, err := net.SplitHostPort(listen.text)
	if !socket && (err != nil || !usablePort(port)) {
		return listen.wrong("%q is no address: write it like :8080 or localhost:8080", listen.text)
	}
	bind := host
	if socket {
		bind, port = listen.text, "80"
	}
	f.line(listen, "http://:"+port, "{")
	if bind != "" {
		f.line(listen, "bind", quoted(bind))
	}
	// The longest first: the others may be above it.
	order := make([]int, len(c.endpoints))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(len(c.endpoints[b].path), len(c.endpoints[a].path))
	})
	for _, i := range order {
		e := c.endpoints[i]
		matcher := ""
		if e.path != "/" {
			matcher = " @" + cmp.Or(e.name, e.provider.ID)
			f.line(e.from, strings.TrimSpace(matcher), "path", e.path, e.path+"/*")
		}
		f.line(e.from, "handle"+matcher, "{")
		if err := c.writeEndpoint(f, e); err != nil {
			return err
		}
		f.line(upstreams[i].from, append([]string{"reverse_proxy", quoted(upstreams[i].text)}, upstreams[i].block()...)...)
		if !upstreams[i].tls {
			f.line(upstreams[i].from, "transport", "webhook")
			f.line(said{}, "}")
		}
		f.line(said{}, "}")
	}
	if c.endpoints[order[len(order)-1]].path != "/" {
		f.line(said{}, "handle", "{")
		f.line(said{}, "respond", strconv.Itoa(http.StatusNotFound))
		f.line(said{}, "}")
	}
	f.line(said{}, "}")
	return nil
}

func (c *sidecarConfig) writeEndpoint(f *caddyfile, e sidecarEndpoint) error {
	f.line(e.from, "verify_webhook", e.provider.ID, "{")
	if e.name != "" {
		f.line(e.from, "name", e.name)
	}
	if err := c.writeSecrets(f, e); err != nil {
		return err
	}
	for _, word := range []string{"tolerance", "events", "public_url", "max_body", "mode"} {
		name := strings.ToUpper(word)
		given := c.get(e, name)
		_, own := c.said[e.prefix+name]
		if given.text == "" || word == "tolerance" && !own && !e.facts.HasTimestamp {
			continue
		}
		words := []string{quoted(given.text)}
		if word == "events" {
			words = quotedList(given.text)
		}
		f.line(given, append([]string{word}, words...)...)
	}
	if c.or("DEDUP", "").text == off {
		f.line(c.said["DEDUP"], "dedup", off)
	}
	f.line(said{}, "}")
	return nil
}

// writeSecrets writes all that is only referred to.
func (c *sidecarConfig) writeSecrets(f *caddyfile, e sidecarEndpoint) error {
	secrets := c.references(e.prefix + "SECRET")
	if len(secrets) == 0 && !e.facts.FetchesKeys {
		return fmt.Errorf("neither %s nor %s is set: %s", e.variable("SECRET"), e.variable("SECRET_FILE"), e.provider.Secret)
	}
	for _, s := range secrets {
		f.line(s.from, "secret", s.placeholder)
	}
	for _, parameter := range e.provider.Parameters() {
		name := "WITH_" + strings.ToUpper(parameter)
		one, err := single(c.references(e.prefix + name))
		if err != nil {
			return err
		}
		if one.placeholder == "" {
			return fmt.Errorf("%s is not set, and %s needs it", e.variable(name), e.provider.Name)
		}
		f.line(one.from, "with", parameter, one.placeholder)
	}
	sign := c.references(e.prefix + "SIGN")
	if len(sign) == 0 {
		sign = c.references("SIGN")
	}
	one, err := single(sign)
	if err == nil && one.placeholder != "" {
		f.line(one.from, "sign", one.placeholder)
	}
	return err
}

func single(found []reference) (reference, error) {
	switch len(found) {
	case 0:
		return reference{}, nil
	case 1:
		return found[0], nil
	default:
		return reference{}, found[1].from.wrong("there may be one alone, and %s says it, too", found[0].from.from)
	}
}

// upstream is where an application is.
type upstream struct {
	from said
	text string // for reverse_proxy
	dial string // what is dialled
	tls  bool
}

func (u upstream) block() []string {
	if u.tls {
		return nil
	}
	return []string{"{"}
}

func (c *sidecarConfig) upstream(e sidecarEndpoint) (upstream, error) {
	given := c.get(e, "UPSTREAM")
	if given.text == "" {
		return upstream{}, fmt.Errorf("%s is not set: write where the application is, such as localhost:3000", e.variable("UPSTREAM"))
	}
	if strings.HasPrefix(given.text, "unix/") {
		return upstream{given, given.text, given.text, false}, nil
	}
	scheme, address, ok := strings.Cut(given.text, "://")
	if !ok {
		scheme, address = "http", given.text
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil && ok && !strings.ContainsAny(address, ":/?#") {
		host, port, err = address, map[string]string{"http": "80", "https": "443"}[scheme], nil
	}
	if err != nil || !usablePort(port) || !usableHost(host) || scheme != "http" && scheme != "https" {
		return upstream{}, given.wrong("is no address of an application: write host and port, such as localhost:3000. Deliveries keep their path")
	}
	u := upstream{given, net.JoinHostPort(host, port), net.JoinHostPort(host, port), scheme == "https"}
	if u.tls {
		u.text = "https://" + u.text
	}
	return u, nil
}

// usablePort reports whether text is a port to listen on or to connect to.
func usablePort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?$`)

// usableHost reports whether text is a name or an address, and nothing that
// Caddyfiles, compose files or shells read otherwise.
func usableHost(text string) bool {
	if address, err := netip.ParseAddr(text); err == nil {
		return address.Zone() == "" || hostName.MatchString(address.Zone())
	}
	return hostName.MatchString(text)
}

// checkPorts refuses what would share a port: the system lets one process have
// it twice, and deals out the connections.
func (c *sidecarConfig) checkPorts(upstreams []upstream) error {
	taken := map[string]said{}
	for _, own := range []said{c.listen(), c.health(), c.admin(), c.console()} {
		_, port, err := net.SplitHostPort(own.text)
		if err != nil {
			continue // off, a socket, or an error elsewhere
		}
		if other, ok := taken[port]; ok {
			return own.wrong("port %s is that of %s: choose another", port, other.from)
		}
		taken[port] = own
	}
	for _, u := range upstreams {
		host, port, err := net.SplitHostPort(u.dial)
		if other, ok := taken[port]; err == nil && ok && loopback(host) {
			return u.from.wrong("port %s here is hookpass's own, by %s: choose another for one of them", port, other.from)
		}
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// adapt turns the Caddyfile into JSON.
func (f *caddyfile) adapt() ([]byte, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(f.text.String()), map[string]any{"filename": sidecarFile})
	return config, f.explain(err)
}

var (
	sidecarLine = regexp.MustCompile(`,? at ` + sidecarFile + `:(\d+)`)
	caddysWords = regexp.MustCompile(`^(.*endpoint [^ :]+: |.*(module: start|provision webhooks): |loading new config: |(parsing caddyfile tokens for '[^']+': )+)`)

	// withoutLine are errors that name no line, or another than that of the word
	// at fault.
	withoutLine = []struct{ has, begins string }{
		{"grace_period", "grace_period"},
		{"starting caddy administration endpoint", "admin"},
		{"listening on", "http://"},
		{"health: ", "health"},
		{"opening the delivery log", "output file"},
		{"a body of max_body", "max_body"},
		{"dedup", "dedup"},
	}
)

// explain says an error about the Caddyfile in the words of the environment.
func (f *caddyfile) explain(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	lines := strings.Split(f.text.String(), "\n")
	at := -1
	if match := sidecarLine.FindStringSubmatch(text); match != nil {
		n, _ := strconv.Atoi(match[1])
		at = n - 1
	}
	for _, known := range withoutLine {
		if strings.Contains(text, known.has) && (at < 0 || known.begins == "max_body") {
			at = slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), known.begins) })
		}
	}
	for i, line := range lines {
		port, site := strings.CutPrefix(strings.TrimSuffix(line, " {"), "http://")
		if site && strings.Contains(text, "listening on") && strings.Contains(text, port+": ") {
			at = i
		}
	}
	if at < 0 || f.from[at].from == "" {
		return err
	}
	text = caddysWords.ReplaceAllString(sidecarLine.ReplaceAllString(text, ""), "")
	word, _, _ := strings.Cut(strings.TrimSpace(lines[at]), " ")
	text = strings.NewReplacer("like "+word+" ", "like ", "or "+word+" ", "or ").Replace(strings.TrimPrefix(text, word+": "))
	return fmt.Errorf("%s: %s", f.from[at].from, text)
}
