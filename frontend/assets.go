// Package frontend holds the built style sheet, script and icons of the pages, for the portal and the desktop app
// alike. `npm run build` makes dist; it is committed, so that Go alone builds the product.
package frontend

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"path"
)

//go:embed dist
var embedded embed.FS

var (
	dist     = must(fs.Sub(embedded, "dist"))
	versions = must(hashes(dist))
	icons    = must(drawings(dist))
)

// contentTypes are said here and not left to the machine's own table, which on Windows anyone may have changed.
var contentTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".svg":  "image/svg+xml",
}

// Prefix is where pages expect Handler to be mounted.
const Prefix = "/assets/"

// URL returns the address of a built file, such as "app.css". It contains a hash of the content and is therefore valid
// for exactly these bytes. It panics when there is no such file: names are written in code.
func URL(name string) string {
	version, ok := versions[name]
	if !ok {
		panic(fmt.Sprintf("frontend: no file %q in dist", name))
	}
	return Prefix + version + "/" + name
}

// Icon returns the inside of an icon's <svg>, drawn on 24 by 24. False when the icon is not in icons.mjs.
func Icon(name string) (string, bool) {
	drawing, ok := icons[name]
	return drawing, ok
}

// Handler serves what URL names, for Prefix. An address with another hash is not found: it is from another build, and
// answering it would put these bytes in caches under a false name.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		version, name := path.Base(path.Dir(r.URL.Path)), path.Base(r.URL.Path)
		if versions[name] == "" || URL(name) != r.URL.Path {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("ETag", `"`+version+`"`)
		h.Set("Content-Type", contentTypes[path.Ext(name)])
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeFileFS(w, r, dist, name)
	})
}

func hashes(fsys fs.FS) (map[string]string, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, e := range entries {
		content, err := fs.ReadFile(fsys, e.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		found[e.Name()] = hex.EncodeToString(sum[:6])
	}
	return found, nil
}

func drawings(fsys fs.FS) (map[string]string, error) {
	content, err := fs.ReadFile(fsys, "icons.json")
	if err != nil {
		return nil, err
	}
	var found map[string]string
	return found, json.Unmarshal(content, &found)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
