package app

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"
)

// TestBindingsAreGenerated: the TypeScript of the bound methods is that of this build.
func TestBindingsAreGenerated(t *testing.T) {
	content, err := os.ReadFile("../frontend/wailsjs/go/app/Bindings.d.ts")
	if err != nil {
		t.Fatal(err)
	}
	var generated, bound []string
	for _, m := range regexp.MustCompile(`export function (\w+)\(`).FindAllSubmatch(content, -1) {
		generated = append(generated, string(m[1]))
	}
	for m := range reflect.TypeFor[*Bindings]().Methods() {
		bound = append(bound, m.Name)
	}
	slices.Sort(generated)
	if !slices.Equal(generated, bound) {
		t.Errorf("generated %v, bound %v: go tool -modfile=build/tools/go.mod wails generate module", generated, bound)
	}
	// The page's own script knows the same methods, and no other.
	script, err := os.ReadFile("../frontend/src/ts/desktop.ts")
	if err != nil {
		t.Fatal(err)
	}
	var called []string
	for _, m := range regexp.MustCompile(`bindings\.(\w+)\(`).FindAllSubmatch(script, -1) {
		called = append(called, string(m[1]))
	}
	slices.Sort(called)
	if !slices.Equal(slices.Compact(called), bound) {
		t.Errorf("the page calls %v, bound are %v", called, bound)
	}
}
