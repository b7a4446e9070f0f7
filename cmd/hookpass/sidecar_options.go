package main

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hookpass/hookpass/dedup"
)

// writeOptions writes what the whole process goes by.
func (c *sidecarConfig) writeOptions(f *caddyfile, upstreams []upstream, terminal bool) error {
	f.line(c.admin(), "admin", quoted(c.admin().text))
	f.line(said{}, "persist_config", off)
	f.line(said{}, "storage_check", off) // a certificate is never asked for
	f.line(said{}, "storage_clean_interval", off)
	grace := c.or("GRACE_PERIOD", "8s")
	f.line(grace, "grace_period", quoted(grace.text))
	c.writeServers(f)
	log := c.or("LOG", "")
	readable := log.text == "text" || log.text == "" && terminal
	if !readable && log.text != "" && log.text != "json" && !filepath.IsAbs(log.text) {
		return log.wrong("%q is none of json, text and an absolute path", log.text)
	}
	writeLog(f, readable)
	f.line(said{}, "webhooks", "{")
	if err := c.writeDedup(f); err != nil {
		return err
	}
	f.line(said{}, "delivery_log", "{")
	if filepath.IsAbs(log.text) {
		f.line(log, "output", "file", quoted(log.text))
	} else {
		f.line(said{}, "output", "stdout")
	}
	if readable {
		f.line(log, "format", "text")
	}
	f.line(said{}, "}")
	if err := c.writeRecent(f); err != nil {
		return err
	}
	if health := c.health(); health.text != off {
		f.line(health, "health", quoted(health.text), "{")
		words := []string{"application"}
		for _, u := range upstreams {
			if !slices.Contains(words, quoted(u.dial)) {
				words = append(words, quoted(u.dial))
			}
		}
		f.line(upstreams[0].from, words...)
		f.line(said{}, "}")
	}
	f.line(said{}, "}")
	return nil
}

// writeRecent says whether bodies are kept.
func (c *sidecarConfig) writeRecent(f *caddyfile) error {
	bodies, redact := c.or("BODIES", off), c.said["REDACT"]
	switch {
	case bodies.text != "on" && bodies.text != off:
		return bodies.wrong("%q is unknown: write on or off", bodies.text)
	case bodies.text == off && redact.text != "":
		return redact.wrong("no bodies are kept: set %sBODIES to on, or remove it", variablePrefix)
	case bodies.text == off:
		return nil
	}
	f.line(said{}, "recent", "{")
	f.line(bodies, "bodies", "on")
	if redact.text != "" {
		f.line(redact, append([]string{"redact"}, quotedList(redact.text)...)...)
	}
	f.line(said{}, "}")
	return nil
}

// quotedList are the words of a text with commas or blanks between them.
func quotedList(text string) (words []string) {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		words = append(words, quoted(word))
	}
	return words
}

// writeServers also lets the header fields pass that Caddy would remove.
func (c *sidecarConfig) writeServers(f *caddyfile) {
	var underscore, dot []string
	for _, e := range c.endpoints {
		for _, name := range e.facts.Header {
			if strings.Contains(name, "_") && !slices.Contains(underscore, name) {
				underscore = append(underscore, name)
			}
			if strings.Contains(name, ".") && !slices.Contains(dot, name) {
				dot = append(dot, name)
			}
		}
	}
	f.line(said{}, "servers", "{")
	f.line(said{}, "protocols", "h1") // Caddy would warn that the others want TLS
	if len(underscore) > 0 {
		f.line(said{}, append([]string{"expected_underscore_headers"}, underscore...)...)
	}
	if len(dot) > 0 {
		f.line(said{}, append([]string{"expected_dot_headers"}, dot...)...)
	}
	f.line(said{}, "}")
}

func writeLog(f *caddyfile, readable bool) {
	form := "json"
	if readable {
		form = "console"
	}
	f.line(said{}, "log", "{")
	f.line(said{}, "output", "stdout")
	// It encodes every request, for lines that are not written. What fails is in
	// http.log.error all the same.
	f.line(said{}, "exclude", "http.handlers.reverse_proxy")
	// A token in place of a signature is in the header or in the URL, and Caddy
	// logs both with an error.
	f.line(said{}, "format", "filter", "{")
	f.line(said{}, "wrap", form)
	f.line(said{}, "request>headers", "delete")
	f.line(said{}, "request>uri", "delete")
	f.line(said{}, "}")
	f.line(said{}, "}")
}

func (c *sidecarConfig) writeDedup(f *caddyfile) error {
	store := c.or("DEDUP", "memory")
	redis := strings.Contains(store.text, "://")
	onError, given := c.said["DEDUP_ON_ERROR"]
	if given && !redis {
		return onError.wrong("is for a Redis, and %s names none", store.from)
	}
	switch {
	case store.text == off:
	case store.text == "memory":
		f.line(store, "dedup", "memory")
	case redis:
		if err := (dedup.RedisOptions{URLs: []string{store.text}}).Check(); err != nil {
			return store.wrong("%w", err)
		}
		text := "{env." + store.variable + "}"
		if store.variable == "" {
			if u, err := url.Parse(store.text); err == nil && u.User != nil {
				return store.wrong("must hold no password, as everybody on the machine sees it: set HOOKPASS_DEDUP instead")
			}
			text = quoted(store.text)
		}
		f.line(store, "dedup", "redis", text, "{")
		onError = c.or("DEDUP_ON_ERROR", "local")
		f.line(onError, "on_error", quoted(onError.text))
		f.line(said{}, "}")
	case filepath.IsAbs(store.text):
		f.line(store, "dedup", "memory", "{")
		f.line(store, "journal", quoted(store.text))
		f.line(said{}, "}")
	default:
		return store.wrong("it is none of memory, off, an absolute path for the journal, and a redis:// URL")
	}
	return nil
}
