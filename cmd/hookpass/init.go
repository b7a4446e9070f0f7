package main

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookpass/hookpass/catalog"
)

func init() {
	b := &beginning{input: bufio.NewReader(os.Stdin), output: os.Stdout, asks: onTerminal(os.Stdin), now: time.Now}
	command{
		name:  "init",
		usage: "[<provider>] [--app <address>] [--secret-env <name> | --secret-file <path>] [--format caddyfile | compose | env] [--domain <name>] [--public-url <url>] [--output <path>] [--force] [--prove]",
		short: "Writes a first configuration, and proves that it works",
		long: `
Writes what hookpass needs for one provider and one application: a Caddyfile, a
compose file, or the environment of hookpass sidecar. On a terminal it asks for
what no flag says:

	hookpass init

Elsewhere the provider is needed, and the rest has defaults:

	hookpass init stripe --app localhost:3000 --secret-env STRIPE_WEBHOOK_SECRET --prove

It never takes the secret itself, only the name of the environment variable, or
the file, that holds it. --prove starts hookpass with what was written, on a free
port of this machine, and sends it a signed delivery and a forged one. Where there
is no secret yet, or nothing answers at the application's address, it makes do
with a stand-in.
`,
		flags:         b.flags(),
		run:           b.run,
		takesProvider: true,
	}.register()
}

// beginning is the command: its flags, and what it touches of the world.
type beginning struct {
	input  *bufio.Reader
	output io.Writer
	asks   bool // somebody is there to answer
	now    func() time.Time

	app, secretEnv, secretFile, format, domain, publicURL, path string
	force, prove                                                bool
}

const (
	defaultApp = "localhost:3000"

	formatCaddyfile = "caddyfile"
	formatCompose   = "compose"
	formatEnv       = "env"
)

// written are the formats, and the files that they go to by default.
var written = map[string]string{formatCaddyfile: "Caddyfile", formatCompose: "compose.yaml", formatEnv: "hookpass.env"}

func (b *beginning) flags() *flag.FlagSet {
	f := flag.NewFlagSet("init", flag.ContinueOnError)
	f.StringVar(&b.app, "app", "", "The application's address (default "+defaultApp+")")
	f.StringVar(&b.secretEnv, "secret-env", "", "Name of the environment variable that holds the secret (default: the provider's id and _WEBHOOK_SECRET)")
	f.StringVar(&b.secretFile, "secret-file", "", "Path of the file that holds the secret")
	f.StringVar(&b.format, "format", "", "What to write: caddyfile (the default), compose or env")
	f.StringVar(&b.domain, "domain", "", "The domain of the endpoint, for which a certificate is got; only for a Caddyfile (default: port 8080, without TLS)")
	f.StringVar(&b.publicURL, "public-url", "", "Scheme and host under which the provider knows the endpoint, where it signs them and there is no --domain")
	f.StringVar(&b.path, "output", "", "The file to write (default: Caddyfile, compose.yaml or hookpass.env)")
	f.BoolVar(&b.force, "force", false, "Write over a file that is there")
	f.BoolVar(&b.prove, "prove", false, "Send a first signed delivery, and a forged one")
	return f
}

// run writes the file; args is what is no flag.
func (b *beginning) run(args []string) error {
	if len(args) > 1 {
		return errors.New("name one provider, such as hookpass init stripe")
	}
	first, err := b.answers(args)
	if err != nil {
		return err
	}
	if err := b.write(b.path, first.file(b.format)); err != nil {
		return err
	}
	b.tell(first)
	cannot := first.Scheme.Signable()
	if !b.prove && b.asks && cannot == nil {
		answer, err := b.ask("Send it a signed test delivery now?", "yes", yesOrNo)
		if err != nil {
			return err
		}
		b.prove = answer == "yes"
	}
	switch {
	case !b.prove:
		return nil
	case cannot != nil:
		return fmt.Errorf("--prove: %s: %w: have one sent from its dashboard", first.ID, cannot)
	}
	return b.proveThat(first)
}

// answers takes what flags say, and asks for the rest.
func (b *beginning) answers(args []string) (first, error) {
	var f first
	if b.secretEnv != "" && b.secretFile != "" {
		return f, errors.New("--secret-env and --secret-file exclude each other: leave out one")
	}
	if len(args) == 0 && !b.asks {
		return f, errors.New("name the provider, such as hookpass init stripe")
	}
	_, err := b.get("", strings.Join(args, ""), "Which provider? (hookpass providers lists them)", "", func(text string) (string, error) {
		e, err := newEntry(text)
		f.entry = e
		return text, err
	})
	if err != nil {
		return f, err
	}
	if f.app, err = b.get("--app", b.app, "Where does the application listen?", defaultApp, parseApp); err != nil {
		return f, err
	}
	if err := b.askSecret(&f); err != nil {
		return f, err
	}
	if b.format, err = b.get("--format", b.format, "What shall be written: caddyfile, compose (the container), or env (for hookpass sidecar)?", formatCaddyfile, parseFormat); err != nil {
		return f, err
	}
	b.path = cmp.Or(b.path, written[b.format])
	if _, err := os.Lstat(b.path); err == nil && !b.force {
		return f, fmt.Errorf("%s: %w: name another by --output, or write over it by --force", b.path, os.ErrExist)
	}
	err = b.askAddress(&f)
	return f, err
}

func (b *beginning) askSecret(f *first) (err error) {
	switch {
	case f.facts.FetchesKeys: // there is none
	case b.secretFile != "":
		f.secretFile, err = parseSecretFile(b.secretFile)
		if err != nil {
			err = fmt.Errorf("--secret-file: %w", err)
		}
	default:
		if b.asks && b.secretEnv == "" {
			b.print("%s\n%s\n", f.Secret, f.Docs)
		}
		_, err = b.get("--secret-env", b.secretEnv, "In which environment variable, or in which file, will the secret be?", variableOf(f.ID, "webhook_secret"), func(text string) (string, error) {
			var err error
			if strings.Contains(text, "/") && b.secretEnv == "" {
				f.secretFile, err = parseSecretFile(text)
			} else {
				f.secretEnv, err = parseVariable(text)
			}
			return text, err
		})
	}
	return err
}

// askAddress asks where the provider finds the endpoint, as far as that matters.
func (b *beginning) askAddress(f *first) (err error) {
	if b.format == formatCaddyfile {
		const question = "Which domain shall it serve, with a certificate? Without one it listens on port 8080, behind something that ends TLS"
		if f.domain, err = b.get("--domain", b.domain, question, "none", parseDomain); err != nil {
			return err
		}
	} else if b.domain != "" {
		return fmt.Errorf("--domain is for a Caddyfile: with --format %s, TLS ends before hookpass", b.format)
	}
	switch {
	case !f.facts.SignsURL || f.domain != "":
		if b.publicURL != "" && !f.facts.SignsURL {
			return fmt.Errorf("--public-url: %s does not sign the URL: leave it out", f.ID)
		}
	case b.publicURL == "" && !b.asks:
		return fmt.Errorf("%s signs the URL: write the address under which it knows the endpoint, such as --public-url https://hooks.example.com", f.ID)
	default:
		f.publicURL, err = b.get("--public-url", b.publicURL, "It signs the URL: under which scheme and host does it know the endpoint, such as https://hooks.example.com?", "", parsePublicURL)
	}
	return err
}

// get returns what a flag says, or else the answer to a question, or, where nobody
// answers, the default.
func (b *beginning) get(name, said, question, unlessSaid string, parse func(string) (string, error)) (string, error) {
	if said == "" && b.asks {
		return b.ask(question, unlessSaid, parse)
	}
	text, err := parse(cmp.Or(said, unlessSaid))
	if err != nil && name != "" {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return text, err
}

// ask repeats the question until the answer will do.
func (b *beginning) ask(question, unlessSaid string, parse func(string) (string, error)) (string, error) {
	prompt := question + " "
	if unlessSaid != "" {
		prompt += "[" + unlessSaid + "] "
	}
	for {
		b.print("%s", prompt)
		line, err := b.input.ReadString('\n')
		if err != nil {
			b.print("\n")
			return "", fmt.Errorf("no answer to %q: %w", question, err)
		}
		text, err := parse(cmp.Or(strings.TrimSpace(line), unlessSaid))
		if err == nil {
			return text, nil
		}
		b.print("%v\n", err)
	}
}

// print writes to a person; who does not read does not answer either.
func (b *beginning) print(format string, args ...any) { _, _ = fmt.Fprintf(b.output, format, args...) }

func parseApp(text string) (string, error) {
	address := strings.TrimPrefix(text, "http://")
	if _, err := strconv.ParseUint(address, 10, 16); err == nil {
		address = "localhost:" + address
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || !usablePort(port) || !usableHost(host) {
		return "", fmt.Errorf("%q is no address: write host and port, such as %s", text, defaultApp)
	}
	return address, nil
}

// A secret may look like the name of a variable: it is not asked for, and not
// quoted if it is given all the same.
var variableName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

func parseVariable(text string) (string, error) {
	if !variableName.MatchString(text) {
		return "", errors.New("write the name of a variable, in capital letters, or a path with a / in it; never the secret itself")
	}
	return text, nil
}

// What is written is read as a Caddyfile, as YAML, or by a shell.
var (
	plainPath = regexp.MustCompile(`^[A-Za-z0-9_./@%+=:-]+$`)
	plainURL  = regexp.MustCompile(`^https?://[A-Za-z0-9_.:\[\]-]+(/[A-Za-z0-9_.~/%-]*)?$`)
)

func parseSecretFile(text string) (string, error) {
	path, err := filepath.Abs(text)
	if err == nil && !plainPath.MatchString(path) {
		err = fmt.Errorf("%q has characters that configurations read otherwise: choose another", path)
	}
	return path, err
}

func parseFormat(text string) (string, error) {
	if written[text] == "" {
		return "", fmt.Errorf("%q is unknown: did you mean %s?", text, catalog.Nearest(text, []string{formatCaddyfile, formatCompose, formatEnv}))
	}
	return text, nil
}

var domainName = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]*$`)

func parseDomain(text string) (string, error) {
	switch {
	case text == "none":
		return "", nil
	case !domainName.MatchString(text):
		return "", fmt.Errorf("%q is no domain: write one such as hooks.example.com", text)
	}
	return text, nil
}

func parsePublicURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || !plainURL.MatchString(text) {
		return "", fmt.Errorf("%q is no address: write scheme and host, such as https://hooks.example.com", text)
	}
	return strings.TrimSuffix(text, "/"), nil
}

func yesOrNo(text string) (string, error) {
	for _, answer := range []string{"yes", "no"} {
		if text != "" && strings.HasPrefix(answer, strings.ToLower(text)) {
			return answer, nil
		}
	}
	return "", errors.New("write yes or no")
}

// write makes the file. It holds no secret, and hookpass may run as somebody else.
func (b *beginning) write(path, text string) error {
	how := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if b.force {
		how = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(path, how, 0o644) //nolint:gosec // see above
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// tell says what is left to do.
func (b *beginning) tell(f first) {
	b.print("Wrote %s.\n\n", b.path)
	if !f.facts.FetchesKeys {
		b.print("The secret: %s\n", f.Secret)
	}
	if f.Docs != "" {
		b.print("%s\n", f.Docs)
	}
	if f.Note != "" {
		b.print("Note: %s\n", f.Note)
	}
	for _, name := range f.Parameters() {
		b.print("%s: %s\n", variableOf(f.ID, name), f.With[name])
	}
	b.print("\n")
	switch {
	case f.secretEnv != "":
		b.print("Put it into the environment variable %s, and run\n", f.secretEnv)
	case f.secretFile != "":
		b.print("Put it into the file %s, and run\n", f.secretFile)
	default:
		b.print("Run\n")
	}
	run := map[string]string{
		formatCaddyfile: "hookpass run --config " + b.path,
		formatCompose:   "docker compose --file " + b.path + " up",
		formatEnv:       "(set -a; . " + shellPath(b.path) + "; hookpass sidecar" + f.sidecarFlags() + ")",
	}[b.format]
	b.print("\n\t%s\n\nThen give %s this address: %s\n\n", run, f.Name, f.address())
}

// shellPath is a path for the command ".", which looks for others in PATH.
func shellPath(path string) string {
	if !strings.Contains(path, "/") {
		path = "./" + path
	}
	if slices.ContainsFunc([]rune(path), func(r rune) bool { return strings.ContainsRune(" '\"$`\\", r) }) {
		return shellQuote(path)
	}
	return path
}
