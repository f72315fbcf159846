// Package requestid gives every request an id that people can name when they ask for help, and logs use.
package requestid

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
)

type key struct{}

// Header carries the id in every answer.
const Header = "X-Request-Id"

// Handler gives each request an id of our own: a caller's is not trusted.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.ToLower(rand.Text()[:16])
		w.Header()[Header] = []string{id}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, id)))
	})
}

// Of returns the id of the request that ctx belongs to, empty outside one.
func Of(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}
