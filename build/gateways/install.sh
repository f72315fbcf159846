#!/bin/sh
# Installs the real gateways that the connectors' conformance tests run against:
#
#   Express Gateway   from npm, at the versions and hashes of express-gateway/package-lock.json, into
#                     .cache/gateways/express-gateway (which git ignores)
#   Caddy             Debian's package, unless there is a caddy already
#
# It needs node and npm, and root where Caddy is missing. It changes nothing when all is there, so run it as often as
# you like. CI sets CONCIERGE_REQUIRE_GATEWAYS=1 for the tests, which then fail instead of skipping.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/gateways

express_gateway() {
	to=$cache/express-gateway
	# The stamp is written last: an interrupted installation starts again.
	want="$(sha256sum <"$here/express-gateway/package-lock.json") $(node --version)"
	if [ "$(cat "$to/installed" 2>/dev/null)" = "$want" ]; then
		echo "express-gateway: already installed in $to"
		return
	fi
	mkdir -p "$to"
	rm -f "$to/installed"
	cp "$here/express-gateway/package.json" "$here/express-gateway/package-lock.json" "$to/"
	# No package's own scripts run: none is needed.
	(cd "$to" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	printf '%s' "$want" >"$to/installed"
	echo "express-gateway: installed in $to"
}

caddy_server() {
	if command -v caddy >/dev/null; then
		echo "caddy: already installed, $(caddy version)"
		return
	fi
	if [ "$(id -u)" -ne 0 ]; then
		echo "caddy: missing, and installing Debian's package needs root: apt-get install caddy" >&2
		exit 1
	fi
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends caddy
	echo "caddy: installed, $(caddy version)"
}

express_gateway
caddy_server
