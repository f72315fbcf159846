// Package correlatetest makes labelled estates out of real API descriptions, and measures how well correlation does on
// them.
//
// An estate is what a company with many gateways would have: each API deployed on one to six of them, under other names,
// hosts and base paths, with operations dropped and added, other versions, and often without a document; between them
// what is easily taken for one API and is not. Generate knows which is which, Measure compares.
package correlatetest

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"concierge/portal/correlate"
	"concierge/portal/document"
)

// Spec is one real API description.
type Spec struct {
	File       string // name without its folder
	Provider   string // the company
	API        string // the label: descriptions with the same one are editions or versions of one API
	Title      string
	Version    string
	Servers    []string
	Mould      string // what its operations were taken from, if not its own file
	Operations []correlate.Operation
}

// Load reads the descriptions of a folder, named "provider__service.json" or "provider.json". What cannot be read is left
// out and counted.
func Load(dir string) (specs []Spec, unread int, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, 0, err
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, 0, fmt.Errorf("reading descriptions: %w", err)
		}
		d, err := document.Describe(b, document.Limits{})
		if err != nil {
			unread++
			continue
		}
		s := Spec{File: filepath.Base(file), Title: d.Title, Version: d.Version, Servers: d.Servers}
		s.Provider, s.API = label(strings.TrimSuffix(s.File, ".json"))
		for _, op := range d.Operations {
			s.Operations = append(s.Operations, correlate.Operation{Method: op.Method, Path: op.Path})
		}
		specs = append(specs, s)
	}
	return specs, unread, nil
}

var (
	editions      = regexp.MustCompile(`^(api\.github\.com|ghes-.*|ghec|github\.ae)$`)
	versionSuffix = regexp.MustCompile(`[._-]?v[0-9]+([._][0-9]+)*$`)
)

// label says whose API a file describes, and which one. A service that is named with a version is the version of one.
func label(file string) (provider, api string) {
	provider, service, _ := strings.Cut(file, "__")
	if editions.MatchString(service) {
		service = "editions" // GitHub's, on several hosts
	}
	return provider, provider + "/" + versionSuffix.ReplaceAllString(service, "")
}

// Half is the part of the specs whose providers fall on one side: what a method is tuned on must not be what it is
// measured with.
func Half(specs []Spec, heldOut bool) []Spec {
	return slices.DeleteFunc(slices.Clone(specs), func(s Spec) bool {
		h := fnv.New32a()
		h.Write([]byte(s.Provider))
		return (h.Sum32()>>7)%2 == 1 != heldOut
	})
}

// Multiply makes n specs out of some: after the first round of them, each of another company that speaks of other things.
func Multiply(specs []Spec, n int) []Spec {
	out := make([]Spec, 0, n)
	for i := range n {
		s := specs[i%len(specs)]
		if round := i / len(specs); round > 0 {
			h := fnv.New32a()
			fmt.Fprint(h, s.Provider, round)
			own := syllables(h.Sum32())
			s.Provider, s.API, s.Title = own+"."+s.Provider, own+"."+s.API, own+" "+s.Title
			s.Operations = slices.Clone(s.Operations)
			for k := range s.Operations {
				s.Operations[k].Path = renamed(s.Operations[k].Path, own)
			}
		}
		out = append(out, s)
	}
	return out
}

// syllables makes a word of a number.
func syllables(n uint32) string {
	var b strings.Builder
	for range 4 {
		b.WriteByte("bdfgklmnprstvz"[n%14])
		b.WriteByte("aeiou"[n/14%5])
		n /= 70
	}
	return b.String()
}

// renamed gives most of the segments of a path a name of its own; those that every API has stay.
func renamed(path, own string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if p != "" && !strings.Contains(p, "{") && len(p) > 5 {
			parts[i] = p + own
		}
	}
	return strings.Join(parts, "/")
}
