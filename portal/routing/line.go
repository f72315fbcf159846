package routing

import (
	"cmp"
	"strings"
)

// compareLines orders version lines, the newest last. It is a total order: only equal strings are equal.
//
// What begins with numbers (after an optional "v") is compared number by number, missing ones counting as zero: 2 < 10,
// 1.9 < 1.10, 2025-11-30 < 2026-01-01, and so a date is newer than a small number. A date written as 20260101 counts as
// 2026-01-01. With equal numbers, one with a suffix (2-beta) is older than one without. Any other string is older than
// every number; such strings are compared like natural text: release-9 < release-10.
func compareLines(a, b string) int {
	na, sa := lineNumbers(a)
	nb, sb := lineNumbers(b)
	switch {
	case na == nil && nb == nil:
		return cmp.Or(compareNatural(strings.ToLower(a), strings.ToLower(b)), strings.Compare(a, b))
	case na == nil:
		return -1
	case nb == nil:
		return 1
	}
	for i := range max(len(na), len(nb)) {
		if c := compareDigits(at(na, i), at(nb, i)); c != 0 {
			return c
		}
	}
	if (sa == "") != (sb == "") {
		if sa == "" {
			return 1
		}
		return -1
	}
	return cmp.Or(compareNatural(sa, sb), strings.Compare(a, b))
}

func at(numbers []string, i int) string {
	if i < len(numbers) {
		return numbers[i]
	}
	return ""
}

// lineNumbers splits a line into its leading numbers and what follows them. numbers is nil where there are none.
func lineNumbers(line string) (numbers []string, suffix string) {
	rest := strings.ToLower(strings.TrimSpace(line))
	if len(rest) > 1 && rest[0] == 'v' && digits(rest[1:]) > 0 {
		rest = rest[1:]
	}
	for {
		n := digits(rest)
		if n == 0 {
			return numbers, rest
		}
		if n == 8 && len(numbers) == 0 && isDate(rest[:n]) {
			numbers = append(numbers, rest[:4], rest[4:6], rest[6:8])
		} else {
			numbers = append(numbers, rest[:n])
		}
		rest = rest[n:]
		if len(rest) < 2 || !strings.ContainsRune(".-_", rune(rest[0])) || digits(rest[1:]) == 0 {
			return numbers, rest
		}
		rest = rest[1:]
	}
}

// isDate reports whether eight digits can be a day of this or the last century.
func isDate(s string) bool {
	return (s[:2] == "19" || s[:2] == "20") && s[4:6] >= "01" && s[4:6] <= "12" && s[6:] >= "01" && s[6:] <= "31"
}

// digits counts the digits that s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

// compareDigits compares numbers of any length.
func compareDigits(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// compareNatural compares text bytewise but for runs of digits, which are compared as numbers.
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		da, db := digits(a), digits(b)
		if da > 0 && db > 0 {
			if c := compareDigits(a[:da], b[:db]); c != 0 {
				return c
			}
			a, b = a[da:], b[db:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}
