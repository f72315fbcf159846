package correlate

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

// Sketch is what is kept of a deployment to compare it with others. It is small, and marshalled as JSON it is the same
// again. A change of its form comes with another Format: sketches of an older one are made anew.
type Sketch struct {
	Explicit string   `json:"explicit,omitempty"`
	Titles   []string `json:"titles,omitempty"` // as told, the gateway's first
	Owner    string   `json:"owner,omitempty"`
	Shape    Shape    `json:"shape,omitzero"`
}

// Format of sketches and shapes.
const Format = 1

// New condenses what is told about a deployment.
func New(d Deployment) Sketch {
	s := Sketch{Explicit: strings.TrimSpace(d.Explicit), Owner: strings.TrimSpace(d.Owner), Shape: d.Shape}
	for _, t := range append([]string{d.Title}, d.Names...) {
		if t = strings.TrimSpace(t); t != "" && !slices.Contains(s.Titles, t) {
			s.Titles = append(s.Titles, t)
		}
	}
	if s.Shape.IsZero() {
		s.Shape = NewShape(d.Routes)
	}
	return s
}

// Keys returns the keys under which members that may match are found: two that share none are apart.
func (s Sketch) Keys() []string {
	var keys []string
	if s.Explicit != "" {
		keys = append(keys, key("id", s.Explicit))
	}
	for _, t := range s.Titles {
		keys = append(keys, key("title", strings.Join(words(t), " ")))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// key is one short word for what it stands for.
func key(kind, value string) string {
	h := fnv.New64a()
	h.Write([]byte(value))
	return kind[:1] + strconv.FormatUint(h.Sum64(), 36)
}
