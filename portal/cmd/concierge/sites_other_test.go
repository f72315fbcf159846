//go:build !linux

package main

import (
	"testing"

	"concierge/connectors/caddy/caddytest"
)

// elsewhere is for machines with network namespaces.
func elsewhere(testing.TB) (place caddytest.Place, ok bool) { return place, false }
