package web

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

func TestRouterRefusesRoutesThatContradictThemselves(t *testing.T) {
	for name, route := range map[string]Route{
		"no surface":              {Method: "GET", Pattern: "/a", Access: AccessSignedIn},
		"no access":               {Method: "GET", Pattern: "/a", Surface: SurfacePage},
		"unknown surface":         {Method: "GET", Pattern: "/a", Surface: "x", Access: AccessSignedIn},
		"mutates with GET":        {Method: "GET", Pattern: "/a", Surface: SurfacePage, Access: AccessSignedIn, Mutates: true},
		"mutates by any method":   {Pattern: "/a", Surface: SurfacePage, Access: AccessSignedIn, Mutates: true},
		"pattern with its method": {Pattern: "GET /a", Surface: SurfacePage, Access: AccessSignedIn},
	} {
		t.Run(name, func(t *testing.T) {
			router := NewRouter()
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was registered", route)
				}
				if n := len(router.Routes()); n != 0 {
					t.Errorf("%d routes after a refusal", n)
				}
			}()
			router.Handle(route, http.NotFoundHandler())
		})
	}
}

func TestRouterEnumeratesAndMatches(t *testing.T) {
	router := NewRouter()
	post := Route{Method: "POST", Pattern: "/things/{id}", Surface: SurfacePage, Access: AccessSignedIn, Mutates: true}
	router.Handle(post, http.NotFoundHandler())
	byLibrary := router.Classified(func(method, pattern string) Route {
		return Route{Surface: SurfaceAPI, Access: AccessAdministrator, Mutates: method == "DELETE"}
	})
	byLibrary.HandleFunc("DELETE /api/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })

	want := []Route{
		{Method: "DELETE", Pattern: "/api/{id}", Surface: SurfaceAPI, Access: AccessAdministrator, Mutates: true},
		post,
	}
	if got := router.Routes(); !slices.Equal(got, want) {
		t.Errorf("routes %+v, want %+v", got, want)
	}

	rec := httptest.NewRecorder()
	byLibrary.ServeHTTP(rec, httptest.NewRequest("DELETE", "/api/1", nil))
	if rec.Code != http.StatusTeapot {
		t.Errorf("status %d from the registered handler", rec.Code)
	}
	if got, ok := router.Match(httptest.NewRequest("POST", "/things/1", nil)); !ok || got != post {
		t.Errorf("match %+v, %v", got, ok)
	}
	if got, ok := router.Match(httptest.NewRequest("GET", "/nowhere", nil)); ok {
		t.Errorf("matched %+v", got)
	}
}
