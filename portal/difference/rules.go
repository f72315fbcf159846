package difference

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oasdiff/oasdiff/checker"
	"github.com/oasdiff/oasdiff/diff"
	"github.com/oasdiff/oasdiff/load"
)

// severities are those of oasdiff, but for the rules that know a time before: two deployments stand side by side, and a call
// that only one of them answers is broken on the other, announced or not.
var severities = map[string]checker.Level{
	"api-path-removed-with-deprecation":                   checker.ERR,
	"api-removed-with-deprecation":                        checker.ERR,
	"request-parameter-removed-with-deprecation":          checker.WARN,
	"request-property-removed-with-deprecation":           checker.WARN,
	"response-required-property-removed-with-deprecation": checker.ERR,
	"api-deprecated-sunset-missing":                       checker.INFO,
	"request-parameter-deprecated-sunset-missing":         checker.INFO,
	"request-property-deprecated-sunset-missing":          checker.INFO,
	"response-property-deprecated-sunset-missing":         checker.INFO,
}

// wordsOnly are rules about what no call notices.
var wordsOnly = map[string]bool{"api-tag-added": true, "api-tag-removed": true}

// aside are rules that judge how a version was published, which says nothing about two deployments side by side.
var aside = map[string]bool{"api-version-not-bumped": true, "api-major-version-not-bumped": true, "api-version-decreased": true}

// gone are rules whose words are about the history of one API.
var gone = map[string]bool{
	"api-path-removed-without-deprecation": true, "api-removed-without-deprecation": true,
	"api-path-removed-with-deprecation": true, "api-removed-with-deprecation": true,
}

// check asks oasdiff. It may panic.
func check(from, to tree, a *aligner) ([]Change, error) {
	base, err := loaded(from)
	if err != nil {
		return nil, fmt.Errorf("reading the first API description: %w", err)
	}
	revision, err := loaded(to)
	if err != nil {
		return nil, fmt.Errorf("reading the second API description: %w", err)
	}
	found, sources, err := diff.GetWithOperationsSourcesMap(diff.NewConfig(), base, revision)
	if err != nil {
		return nil, fmt.Errorf("comparing two API descriptions: %w", err)
	}
	config := checker.NewConfig(checker.GetAllChecks(), checker.WithSeverityLevels(severities))
	english := checker.NewDefaultLocalizer()
	var changes []Change
	for _, c := range checker.CheckBackwardCompatibilityUntilLevel(config, found, sources, checker.INFO) {
		if aside[c.GetId()] {
			continue
		}
		text := c.GetUncolorizedText(english)
		if gone[c.GetId()] {
			text = goneText
		}
		change := Change{
			Level: levelOf(c), Possible: c.GetLevel() == checker.WARN,
			Method: strings.ToUpper(c.GetOperation()), Path: c.GetPath(), Code: c.GetId(), Text: text,
		}
		if number, ok := strings.CutPrefix(change.Path, bodies); ok {
			i, err := strconv.Atoi(number)
			if err != nil || i >= len(a.found) {
				return nil, fmt.Errorf("a change at %q, which is no operation", change.Path)
			}
			change.Method, change.Path, change.Schema = "", "", a.found[i].name()
			change.Text = invented.ReplaceAllString(change.Text, "")
			change.Uses, change.UsesMore = a.uses(a.found[i])
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// invented is what the rules say of the status of the operation that a shared schema is made the body of.
var invented = regexp.MustCompile(` (?:for|with) (?:the )?(?:response )?(?:status )?(?:code )?` + "`200`" + `(?: response)?(?: status)?(?: code)?`)

func levelOf(c checker.Change) Level {
	switch {
	case wordsOnly[c.GetId()]:
		return Documentation
	case c.IsBreaking():
		return Breaking
	}
	return Compatible
}

// loaded makes oasdiff's model of a description. Nothing outside of it is read.
func loaded(t tree) (*load.SpecInfo, error) {
	content, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	loader := openapi3.NewLoader()
	loader.ReadFromURIFunc = func(*openapi3.Loader, *url.URL) ([]byte, error) {
		return nil, errors.New("references to other documents are not followed")
	}
	spec, err := loader.LoadFromData(content)
	if err != nil {
		return nil, err
	}
	return &load.SpecInfo{Spec: spec}, nil
}
