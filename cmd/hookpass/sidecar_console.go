package main

import (
	"net"
	"os"
	"regexp"
	"strings"
)

const (
	consoleUser = "CONSOLE_USER"
	consoleHash = "CONSOLE_PASSWORD_HASH"
)

// writeConsole writes the site of the operator's page. Where others than this
// machine's users reach it, it asks for a password.
func (c *sidecarConfig) writeConsole(f *caddyfile) error {
	hash, err := single(c.references(consoleHash))
	if err != nil {
		return err
	}
	listen, user := c.console(), c.said[consoleUser]
	host, port, err := net.SplitHostPort(listen.text)
	switch {
	case listen.text == off && user.text != "":
		return user.wrong("there is no console: set %s%s, such as localhost:8082", variablePrefix, "CONSOLE")
	case listen.text == off && hash.placeholder != "":
		return hash.from.wrong("there is no console: set %s%s, such as localhost:8082", variablePrefix, "CONSOLE")
	case listen.text == off:
		return nil
	case err != nil || !usablePort(port):
		return listen.wrong("%q is no address: write it like localhost:8082, or off", listen.text)
	case user.text != "" && hash.placeholder == "":
		return user.wrong("a user needs a password: set %s%s to what hookpass hash-password prints", variablePrefix, consoleHash)
	case user.text == "" && hash.placeholder != "":
		return hash.from.wrong("a password needs a user: set %s%s", variablePrefix, consoleUser)
	case user.text == "" && (!loopback(host) || net.ParseIP(host).IsUnspecified()):
		return listen.wrong("whoever reaches %q would see the deliveries: write localhost:%s, or set %s%s, and %s%s to what hookpass hash-password prints",
			listen.text, port, variablePrefix, consoleUser, variablePrefix, consoleHash)
	}
	f.line(listen, "http://:"+port, "{")
	if host != "" {
		f.line(listen, "bind", quoted(host))
	}
	if user.text != "" {
		if err := checkHash(hash); err != nil {
			return err
		}
		f.line(user, "basic_auth", "{")
		f.line(user, quoted(user.text), hash.placeholder)
		f.line(said{}, "}")
	}
	f.line(said{}, "webhook_console")
	f.line(said{}, "}")
	return nil
}

var bcryptHash = regexp.MustCompile(`^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)

// checkHash quotes nothing: somebody may have given the password itself.
func checkHash(hash reference) error {
	text := hash.from.text
	if strings.Contains(hash.placeholder, "{file.") {
		read, err := os.ReadFile(text)
		if err != nil {
			return hash.from.wrong("%w", err)
		}
		text = strings.TrimSuffix(string(read), "\n")
	}
	if !bcryptHash.MatchString(text) {
		return hash.from.wrong("it is no password's hash by bcrypt: write what hookpass hash-password prints")
	}
	return nil
}
