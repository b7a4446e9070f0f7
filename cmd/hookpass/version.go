package main

import (
	"runtime/debug"

	"github.com/caddyserver/caddy/v2"
)

// setVersion lets "hookpass version" name hookpass and its commit, too: Caddy's
// own version would tell only half of what runs.
func setVersion() {
	info, ok := debug.ReadBuildInfo()
	if !ok || caddy.CustomVersion != "" {
		return // whoever links it may say otherwise
	}
	caddy.CustomVersion = version(info)
}

// version is what stands before Caddy's own version, which Caddy writes.
func version(info *debug.BuildInfo) string {
	var commit string
	for _, s := range info.Settings {
		// Go tells the commit of what it built from a repository.
		if s.Key == "vcs.revision" {
			commit = " (" + s.Value[:min(len(s.Value), 12)] + ")"
		}
	}
	return "hookpass " + info.Main.Version + commit + " on Caddy"
}
