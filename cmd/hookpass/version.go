package main

import (
	"runtime/debug"

	"github.com/caddyserver/caddy/v2"
)

// setVersion lets "hookpass version" name hookpass, too: Caddy's own version
// would tell only half of what runs.
func setVersion() {
	info, ok := debug.ReadBuildInfo()
	if !ok || caddy.CustomVersion != "" {
		return // a release sets it at link time
	}
	// Caddy writes its own version behind it.
	caddy.CustomVersion = "hookpass " + info.Main.Version + " on Caddy"
}
