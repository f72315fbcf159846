package web

import (
	"net/url"
	"strings"

	"concierge/portal/api"
)

// Curl returns a command that calls an address with the values to send, as a POSIX shell reads it. It holds what the
// parts hold: where a key is one of them, the command is as secret as the key.
func Curl(address string, parts []api.Part) string {
	var b strings.Builder
	b.WriteString("curl")
	separator := "?"
	for _, p := range parts {
		switch p.In {
		case "query":
			address += separator + url.QueryEscape(p.Name) + "=" + url.QueryEscape(p.Prefix+p.Value.Reveal())
			separator = "&"
		default:
			b.WriteString(" -H " + quoted(p.Name+": "+p.Prefix+p.Value.Reveal()))
		}
	}
	b.WriteString(" " + quoted(address))
	return b.String()
}

// CallAddress returns an address to call first: below base, where try names a GET that needs no parameters.
func CallAddress(base, try string) string { return base + "/" + strings.TrimPrefix(try, "/") }

// quoted is an argument as a POSIX shell reads it back.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
