package main

import (
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "563ebfef4d94a1b2c3d4e5f60718293a4b5c6d7e"}
	for name, test := range map[string]struct {
		version  string
		settings []debug.BuildSetting
		want     string
	}{
		"a release":                      {"v0.1.0", []debug.BuildSetting{revision}, "hookpass v0.1.0 (563ebfef4d94) on Caddy"},
		"a change that is not committed": {"v0.1.1-0.20261122021949-563ebfef4d94+dirty", []debug.BuildSetting{revision}, "hookpass v0.1.1-0.20261122021949-563ebfef4d94+dirty (563ebfef4d94) on Caddy"},
		"of the module proxy":            {"v0.1.0", nil, "hookpass v0.1.0 on Caddy"},
	} {
		t.Run(name, func(t *testing.T) {
			info := debug.BuildInfo{Main: debug.Module{Version: test.version}, Settings: test.settings}
			if got := version(&info); got != test.want {
				t.Errorf("%q, not %q", got, test.want)
			}
		})
	}
}
