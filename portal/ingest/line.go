package ingest

import (
	"regexp"
	"strings"
)

var (
	pathVersion = regexp.MustCompile(`^[vV]([0-9]{1,4})(\.[0-9]+)*$`)
	dateVersion = regexp.MustCompile(`^[vV]?[0-9]{4}-?[0-9]{2}-?[0-9]{2}`)
	major       = regexp.MustCompile(`^[vV]?([0-9]{1,4})(\.[0-9]+)*([-+.].*)?$`)
)

// firstLine is the line of a version that neither gateway, path nor document names.
const firstLine = "1"

// Line returns the line that a version belongs to: the explicit one, else N of /vN in the path, else the major of a
// version written in numbers, else the version as a whole; a date is its own line. Where nothing is said at all it is "1".
func Line(explicit, path, version string) string {
	if explicit = strings.TrimSpace(explicit); explicit != "" {
		return explicit
	}
	for segment := range strings.SplitSeq(path, "/") {
		if m := pathVersion.FindStringSubmatch(segment); m != nil {
			return number(m[1])
		}
	}
	version = strings.TrimSpace(version)
	if version == "" {
		return firstLine
	}
	if !dateVersion.MatchString(version) {
		if m := major.FindStringSubmatch(version); m != nil {
			return number(m[1])
		}
	}
	return version
}

// number drops leading zeros.
func number(digits string) string {
	if n := strings.TrimLeft(digits, "0"); n != "" {
		return n
	}
	return "0"
}
