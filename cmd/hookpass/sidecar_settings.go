package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

const variablePrefix = "HOOKPASS_"

// scope is what a setting is said of.
type scope int

const (
	ofProcess scope = iota
	ofEach          // an endpoint, or all that do not say otherwise
	ofOne           // an endpoint alone
)

// setting is a variable, and the flag of the same name in lower case.
type setting struct {
	name   string // behind HOOKPASS_, or behind HOOKPASS_ and the endpoint's name
	scope  scope
	secret bool // the flag takes the name of a variable, and ends in -env
	usage  string
}

var sidecarSettings = []setting{
	{"PROVIDER", ofOne, false, "The provider's id or alias, such as stripe"},
	{"SECRET", ofOne, true, "The secret as the provider's dashboard shows it; HOOKPASS_SECRET_2 and so on are further ones"},
	{"SECRET_FILE", ofOne, false, "A file with the secret; several with commas between them, or HOOKPASS_SECRET_FILE_2 and so on"},
	{"UPSTREAM", ofEach, false, "Where the application is, such as localhost:3000"},
	{"PATH", ofOne, false, "The path of the endpoint"},
	{"TOLERANCE", ofEach, false, "How old a signed timestamp may be, or off"},
	{"EVENTS", ofEach, false, "The event types to forward, with commas between them"},
	{"PUBLIC_URL", ofEach, false, "Scheme and host under which the provider knows hookpass, where it signs the URL"},
	{"MAX_BODY", ofEach, false, "The largest body"},
	{"MODE", ofEach, false, "enforce, or monitor, which withholds nothing"},
	{"SIGN", ofEach, true, "The secret with which to sign for the application"},
	{"SIGN_FILE", ofEach, false, "A file with that secret"},
	{"ENDPOINTS", ofProcess, false, "Several endpoints: stripe=/hooks/stripe,github=/hooks/github"},
	{"LISTEN", ofProcess, false, "Where to listen, :8080 by default"},
	{"DEDUP", ofProcess, false, "memory, off, a directory for the journal, or a redis:// URL"},
	{"DEDUP_ON_ERROR", ofProcess, false, "While Redis does not answer: local or reject"},
	{"LOG", ofProcess, false, "json, text, or a file for the log of deliveries"},
	{"BODIES", ofProcess, false, "on: keep those of the newest deliveries in memory, to look into them; off by default"},
	{"REDACT", ofProcess, false, "What is not shown of bodies, such as data.email,**.card"},
	{"HEALTH_LISTEN", ofProcess, false, "Where health checks are answered, :8081 by default, or off"},
	{"ADMIN", ofProcess, false, "Where Caddy's admin API is, localhost:2019 by default, or off"},
	{"CONSOLE", ofProcess, false, "Where the operator's page is, such as localhost:8082; off by default"},
	{"CONSOLE_USER", ofProcess, false, "Who may see it, which an address that others reach needs"},
	{"CONSOLE_PASSWORD_HASH", ofProcess, true, "The user's password, as hookpass hash-password prints it"},
	{"CONSOLE_PASSWORD_HASH_FILE", ofProcess, false, "A file with that hash"},
	{"GRACE_PERIOD", ofProcess, false, "How long a stop waits for what is in flight, 8s by default"},
}

func (s setting) flag() string {
	name := strings.ToLower(strings.ReplaceAll(s.name, "_", "-"))
	if s.secret {
		name += "-env"
	}
	return name
}

// said is what a variable or a flag says.
type said struct {
	text     string
	from     string // what to name in an error
	variable string // that holds the text; empty: it came by a flag
}

func (s said) wrong(format string, args ...any) error {
	return fmt.Errorf("%s: %w", s.from, fmt.Errorf(format, args...))
}

// sidecarConfig is what flags and environment say.
type sidecarConfig struct {
	said      map[string]said // by the name behind HOOKPASS_
	endpoints []sidecarEndpoint
}

type sidecarEndpoint struct {
	name, prefix string // both empty if it is the only one
	path         string
	provider     *catalog.Provider
	facts        webhook.Facts
	from         said // which names the provider
}

// sidecarFlags collects what flags say, by the setting's name.
type sidecarFlags map[string][]string

func (f sidecarFlags) register(to *flag.FlagSet) {
	for _, s := range sidecarSettings {
		usage := s.usage
		if s.secret {
			usage = "The variable with: " + usage
		}
		to.Func(s.flag(), usage, func(text string) error {
			f[s.name] = append(f[s.name], text)
			return nil
		})
	}
}

// readSidecar checks what can be checked without the Caddyfile adapter. No error
// quotes a secret.
func readSidecar(environ []string, flags sidecarFlags) (*sidecarConfig, error) {
	c := &sidecarConfig{said: map[string]said{}}
	var names []string
	for _, entry := range environ {
		variable, text, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(variable, variablePrefix)
		if !ours || serviceLink.MatchString(variable) || servicePort.MatchString(entry) {
			continue
		}
		names = append(names, name)
		if text != "" {
			c.said[name] = said{text, variable, variable}
		}
	}
	if err := c.readFlags(flags, environ); err != nil {
		return nil, err
	}
	if err := c.readEndpoints(); err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		if err := c.checkName(name); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.said)) {
		if err := c.checkText(name); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Kubernetes sets variables in every container for a Service that is named
// hookpass, or hookpass and more.
var (
	serviceLink = regexp.MustCompile(`^HOOKPASS_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	servicePort = regexp.MustCompile(`^HOOKPASS_(.*_)?PORT=(tcp|udp|sctp)://`) // and not HOOKPASS_PORT=8080
)

// readFlags has flags take the place of variables.
func (c *sidecarConfig) readFlags(flags sidecarFlags, environ []string) error {
	for _, s := range sidecarSettings {
		texts := flags[s.name]
		if len(texts) == 0 {
			continue
		}
		replaced := []string{s.name}
		if s.secret || strings.HasSuffix(s.name, "_FILE") {
			secret := strings.TrimSuffix(s.name, "_FILE")
			replaced = []string{secret, secret + "_FILE"}
		} else if len(texts) > 1 {
			return fmt.Errorf("--%s is given twice: remove one", s.flag())
		}
		maps.DeleteFunc(c.said, func(name string, was said) bool {
			return slices.Contains(replaced, unnumbered(name)) && was.variable == was.from
		})
		for i, text := range texts {
			name := s.name
			if i > 0 {
				name += fmt.Sprintf("_%d", i+1)
			}
			given := said{text: text, from: "--" + s.flag()}
			if text == "" {
				return given.wrong("is empty")
			}
			if s.secret {
				given.variable = text
				// The name is not quoted: somebody may have given the secret itself.
				if given.text = valueOf(environ, text); given.text == "" {
					return given.wrong("names a variable that is not set: write the name, not the secret")
				}
			}
			c.said[name] = given
		}
	}
	return nil
}

func valueOf(environ []string, variable string) string {
	for _, entry := range environ {
		if text, found := strings.CutPrefix(entry, variable+"="); found {
			return text
		}
	}
	return ""
}

var number = regexp.MustCompile(`^((?:.*_)?SECRET(?:_FILE)?)_(?:[2-9]|[1-9][0-9])$`)

// unnumbered turns SECRET_2 into SECRET.
func unnumbered(name string) string { return number.ReplaceAllString(name, "$1") }

var sidecarName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

func (c *sidecarConfig) readEndpoints() error {
	list, several := c.said["ENDPOINTS"]
	if !several {
		return c.readEndpoint(sidecarEndpoint{path: cmp.Or(c.said["PATH"].text, "/")}, c.said["PATH"])
	}
	for _, s := range sidecarSettings {
		if given, ok := c.said[s.name]; ok && s.scope == ofOne {
			return given.wrong("is for a single endpoint: with HOOKPASS_ENDPOINTS, write HOOKPASS_<NAME>_%s", s.name)
		}
	}
	prefixes := map[string]string{}
	for item := range strings.SplitSeq(list.text, ",") {
		name, where, ok := strings.Cut(strings.TrimSpace(item), "=")
		if !ok || !sidecarName.MatchString(name) {
			return list.wrong("%q is no endpoint: write it like stripe=/hooks/stripe, with commas between several", item)
		}
		e := sidecarEndpoint{name: name, path: where, prefix: strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_"}
		if other, taken := prefixes[e.prefix]; taken {
			return list.wrong("%s and %s would have the same variables: give one of them another name", other, name)
		}
		prefixes[e.prefix] = name
		if err := c.readEndpoint(e, list); err != nil {
			return err
		}
	}
	return nil
}

func (c *sidecarConfig) readEndpoint(e sidecarEndpoint, path said) (err error) {
	e.from = c.said[e.prefix+"PROVIDER"]
	switch {
	case e.from.text != "":
	case e.name != "":
		e.from = said{text: strings.ToLower(e.name), from: path.from}
	default:
		return errors.New("HOOKPASS_PROVIDER is not set: a sidecar needs HOOKPASS_PROVIDER, HOOKPASS_SECRET and HOOKPASS_UPSTREAM; hookpass providers lists the providers")
	}
	if e.provider, err = catalog.Lookup(e.from.text); errors.Is(err, catalog.ErrUnknownProvider) && e.name != "" {
		return e.from.wrong("%w. Where an endpoint's name is no provider's, write that into %s%sPROVIDER", err, variablePrefix, e.prefix)
	} else if err != nil {
		return e.from.wrong("%w", err)
	}
	if e.facts, err = e.provider.Scheme.Facts(); err != nil {
		return err
	}
	if !usablePath.MatchString(e.path) {
		return path.wrong("%q is no path: write it like /hooks/stripe", e.path)
	}
	if e.path != "/" {
		e.path = strings.TrimRight(e.path, "/")
	}
	for _, other := range c.endpoints {
		if strings.EqualFold(other.path, e.path) {
			return path.wrong("%s is there twice: give each endpoint a path of its own", e.path)
		}
	}
	c.endpoints = append(c.endpoints, e)
	return nil
}

var usablePath = regexp.MustCompile(`^/([A-Za-z0-9._~-]+/?)*$`)

// get returns what is said of the endpoint, or of all.
func (c *sidecarConfig) get(e sidecarEndpoint, name string) said {
	if own, ok := c.said[e.prefix+name]; ok {
		return own
	}
	return c.said[name]
}

// variable is how the variable is called that says it of the endpoint.
func (e sidecarEndpoint) variable(name string) string { return variablePrefix + e.prefix + name }

// known returns the names of all variables.
func (c *sidecarConfig) known() []string {
	var names []string
	for _, s := range sidecarSettings {
		if s.scope != ofOne || c.endpoints[0].name == "" {
			names = append(names, s.name)
		}
	}
	for _, e := range c.endpoints {
		for _, s := range sidecarSettings {
			if s.scope != ofProcess && s.name != "PATH" && e.name != "" {
				names = append(names, e.prefix+s.name)
			}
		}
		for _, parameter := range e.provider.Parameters() {
			name := e.prefix + "WITH_" + strings.ToUpper(parameter)
			names = append(names, name, name+"_FILE")
		}
	}
	return names
}

func (c *sidecarConfig) checkName(name string) error {
	known := c.known()
	if slices.Contains(known, unnumbered(name)) {
		return nil
	}
	for _, e := range c.endpoints {
		if parameter, ok := strings.CutPrefix(name, e.prefix+"WITH_"); ok && len(e.provider.Parameters()) == 0 {
			return fmt.Errorf("%s%s is unknown: %s takes no parameter, and so no %s", variablePrefix, name, e.provider.Name, strings.ToLower(parameter))
		}
	}
	variables := make([]string, len(known))
	for i, k := range known {
		variables[i] = variablePrefix + k
	}
	return fmt.Errorf("%s%s is unknown: did you mean %s?", variablePrefix, name, catalog.Nearest(variablePrefix+name, variables))
}

// checkText refuses what would mean something else in a Caddyfile. What is only
// referred to may be anything.
func (c *sidecarConfig) checkText(name string) error {
	given := c.said[name]
	if c.referredTo(name) {
		return nil
	}
	if at := strings.IndexFunc(given.text, func(r rune) bool { return r < ' ' || strings.ContainsRune("{}`\"\\", r) }); at >= 0 {
		return given.wrong("it must have no %q in it", given.text[at])
	}
	if strings.HasSuffix(unnumbered(name), "_FILE") {
		for file := range strings.SplitSeq(given.text, ",") {
			if !filepath.IsAbs(file) {
				// Not quoted: somebody may have given the secret itself.
				return given.wrong("is no absolute path: write the file's, such as /run/secrets/webhook, not the secret")
			}
			if _, err := os.ReadFile(file); err != nil {
				return given.wrong("%w", err)
			}
		}
	}
	return nil
}

// referredTo tells whether the Caddyfile names the variable and not its text.
func (c *sidecarConfig) referredTo(name string) bool {
	given := c.said[name]
	if given.variable == "" || strings.HasSuffix(unnumbered(name), "_FILE") {
		return false
	}
	return name == consoleHash || slices.ContainsFunc(c.endpoints, func(e sidecarEndpoint) bool {
		return slices.Contains([]string{"SECRET", "SIGN", e.prefix + "SECRET", e.prefix + "SIGN"}, unnumbered(name)) ||
			strings.HasPrefix(name, e.prefix+"WITH_")
	}) || name == "DEDUP" && strings.Contains(given.text, "://")
}

// reference is a placeholder for a secret, and where it is said.
type reference struct {
	placeholder string
	from        said
}

// references returns what stands for the texts of a setting and of its files.
func (c *sidecarConfig) references(name string) []reference {
	var found []reference
	for _, each := range slices.Sorted(maps.Keys(c.said)) {
		given := c.said[each]
		switch unnumbered(each) {
		case name:
			found = append(found, reference{quoted("{env." + given.variable + "}"), given})
		case name + "_FILE":
			for file := range strings.SplitSeq(given.text, ",") {
				found = append(found, reference{quoted("{file." + file + "}"), given})
			}
		}
	}
	return found
}

// files returns all files that the configuration refers to.
func (c *sidecarConfig) files() []string {
	var files []string
	for name, given := range c.said {
		if strings.HasSuffix(unnumbered(name), "_FILE") {
			files = append(files, strings.Split(given.text, ",")...)
		}
	}
	slices.Sort(files)
	return files
}
