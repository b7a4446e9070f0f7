#!/usr/bin/env bash
#
# Builds Caddy with all its standard modules and hookpass, from this repository.
#
#   [CADDY_VERSION=v2.x.y] ./xcaddy.sh [OUTPUT]
#
# OUTPUT is the file to write, ./caddy by default. CADDY_VERSION is the one in
# go.mod by default; "latest" is a version too.
#
# xcaddy (https://github.com/caddyserver/xcaddy) does it where it is on PATH.
# Where it is not, go alone takes the same steps.
set -euo pipefail

say() { printf 'xcaddy.sh: %s\n' "$*" >&2; }

run() {
	say "$*"
	"$@"
}

module=github.com/hookpass/hookpass
caddy=github.com/caddyserver/caddy/v2
repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

if (($# > 1)) || [[ ${1-} == -* ]]; then
	say 'usage: [CADDY_VERSION=v2.x.y] ./xcaddy.sh [OUTPUT]'
	exit 2
fi
output=${1:-caddy}
[[ $output == /* ]] || output=$PWD/$output
version=${CADDY_VERSION:-$(cd -- "$repo" && go list -m -f '{{.Version}}' "$caddy")}

if command -v xcaddy >/dev/null; then
	# With a version, nobody is asked which versions of hookpass there are.
	run xcaddy build "$version" --with "$module@v0.0.0=$repo" --output "$output"
else
	say "no xcaddy on PATH, so go builds Caddy $version with $module=$repo"
	main=$(mktemp -d)
	trap 'rm -rf -- "$main"' EXIT
	cd -- "$main"

	cat >main.go <<-EOF
		package main

		import (
			_ "time/tzdata"

			caddycmd "$caddy/cmd"
			_ "$caddy/modules/standard"

			_ "$module"
		)

		func main() {
			caddycmd.Main()
		}
	EOF
	run go mod init caddy
	run go mod edit -replace "$module@v0.0.0=$repo"
	run go get "$caddy@$version" "$module@v0.0.0"
	run go mod tidy -e
	run env "CGO_ENABLED=${CGO_ENABLED:-0}" go build -o "$output" \
		-ldflags '-w -s' -trimpath -tags nobadger,nomysql,nopgx
fi
say "built $output"
