package estate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// upstream answers what the document of an API says that it answers: the example of the first success of each operation.
// It is the service behind the gateways of the demo.
func upstream(document []byte) (http.Handler, error) {
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]response `yaml:"responses"`
		} `yaml:"paths"`
	}
	if err := yaml.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("document of an upstream: %w", err)
	}
	mux := http.NewServeMux()
	for path, operations := range doc.Paths {
		for method, op := range operations {
			codes := make([]string, 0, len(op.Responses))
			for code := range op.Responses {
				codes = append(codes, code)
			}
			slices.Sort(codes)
			status, err := strconv.Atoi(codes[0])
			if err != nil {
				return nil, fmt.Errorf("%s %s: status %q: %w", method, path, codes[0], err)
			}
			var body []byte
			if example := op.Responses[codes[0]].example(); example != nil {
				if body, err = json.Marshal(example); err != nil {
					return nil, fmt.Errorf("%s %s: example: %w", method, path, err)
				}
			}
			mux.HandleFunc(strings.ToUpper(method)+" "+path, func(w http.ResponseWriter, _ *http.Request) {
				if body != nil {
					w.Header().Set("Content-Type", "application/json")
				}
				w.WriteHeader(status)
				_, _ = w.Write(body)
			})
		}
	}
	return mux, nil
}

type response struct {
	Content map[string]struct {
		Example any `yaml:"example"`
	} `yaml:"content"` // 3.x
	Examples map[string]any `yaml:"examples"` // 2.0
}

func (r response) example() any {
	const json = "application/json"
	return cmp.Or(r.Content[json].Example, r.Examples[json])
}
