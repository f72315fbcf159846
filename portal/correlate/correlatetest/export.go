package correlatetest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Export writes an estate as concierge catalog try reads it: export.jsonl with the documents beside it, and labels.jsonl,
// which says of every deployment which API it truly is.
func Export(estate []Deployment, dir string) (err error) {
	export, err := os.Create(filepath.Join(dir, "export.jsonl"))
	if err != nil {
		return fmt.Errorf("exporting an estate: %w", err)
	}
	defer func() { err = errors.Join(err, export.Close()) }()
	labels, err := os.Create(filepath.Join(dir, "labels.jsonl"))
	if err != nil {
		return fmt.Errorf("exporting an estate: %w", err)
	}
	defer func() { err = errors.Join(err, labels.Close()) }()
	lines, truth := bufio.NewWriter(export), bufio.NewWriter(labels)
	for i, d := range estate {
		line := map[string]any{"gateway": d.Gateway, "id": strings.TrimPrefix(d.ID, d.Gateway+"/"), "environment": d.Environment, "division": d.Division}
		for name, value := range map[string]string{"title": d.Told.Title, "version": d.Told.Version, "base_url": d.Told.BaseURL, "upstream": d.Told.Upstream, "owner": d.Told.Owner} {
			if value != "" {
				line[name] = value
			}
		}
		if len(d.Told.Routes) > 0 {
			var routes []map[string]string
			for _, r := range d.Told.Routes {
				routes = append(routes, map[string]string{"method": r.Method, "path": r.Path})
			}
			line["routes"] = routes
		}
		if d.Document != nil {
			name := fmt.Sprintf("%06d.json", i)
			line["document"] = name
			if err := writeJSON(filepath.Join(dir, name), d.Document.openAPI()); err != nil {
				return err
			}
		}
		if err := errors.Join(json.NewEncoder(lines).Encode(line), json.NewEncoder(truth).Encode(map[string]string{"deployment": d.ID, "api": d.API, "kind": d.Kind})); err != nil {
			return fmt.Errorf("exporting an estate: %w", err)
		}
	}
	return errors.Join(lines.Flush(), truth.Flush())
}

func writeJSON(file string, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("exporting an estate: %w", err)
	}
	return os.WriteFile(file, b, 0o600)
}

func (d Document) openAPI() map[string]any {
	paths := map[string]map[string]any{}
	for _, op := range d.Operations {
		path := "/" + strings.TrimLeft(op.Path, "/")
		if paths[path] == nil {
			paths[path] = map[string]any{}
		}
		paths[path][strings.ToLower(op.Method)] = map[string]any{"responses": map[string]any{}}
	}
	var servers []map[string]string
	for _, s := range d.Servers {
		servers = append(servers, map[string]string{"url": s})
	}
	return map[string]any{"openapi": "3.0.3", "info": map[string]string{"title": d.Title, "version": d.Version}, "servers": servers, "paths": paths}
}
