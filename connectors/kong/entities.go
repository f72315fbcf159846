package kong

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"concierge/portal"
)

// Entities of the Admin API with the fields that are read here (Kong 3.9, testdata). What we never need to see, such as
// the value of a key that is listed, has no field.

type reference struct{ ID string }

func (r *reference) id() string {
	if r == nil {
		return ""
	}
	return r.ID
}

type service struct {
	ID      string
	Name    string
	Enabled *bool // missing before Kong 2.7: it serves
	Tags    []string

	Protocol, Host, Path string // of the back end; Host may name a Kong upstream
	Port                 int
}

// upstream is where the service's back end is.
func (s service) upstream() string {
	if s.Host == "" {
		return ""
	}
	u := url.URL{Scheme: s.Protocol, Host: authority(s.Host, ""), Path: s.Path}
	if s.Port != 0 {
		u.Host = authority(s.Host, strconv.Itoa(s.Port))
	}
	return u.String()
}

func (s service) active() bool { return s.Enabled == nil || *s.Enabled }

// title is the name, or the id of a service without one.
func (s service) title() string {
	if s.Name != "" {
		return s.Name
	}
	return s.ID
}

type route struct {
	ID         string
	Name       string
	Service    *reference
	Protocols  []string
	Methods    []string
	Hosts      []string
	Paths      []string
	SNIs       []string `json:"snis"`
	Headers    map[string][]string
	StripPath  bool `json:"strip_path"`
	Expression string
	Tags       []string
}

// http reports whether the route takes HTTP requests, the only ones that are catalogued.
func (r route) http() bool { return r.takes("http") || r.takes("https") }

func (r route) takes(protocol string) bool { return slices.Contains(r.Protocols, protocol) }

type plugin struct {
	ID            string
	Name          string
	Enabled       bool
	Service       *reference
	Route         *reference
	Consumer      *reference
	ConsumerGroup *reference `json:"consumer_group"`
	Protocols     []string
	Config        json.RawMessage // its shape is the plugin's own
}

// http reports whether the plugin acts on HTTP requests.
func (p plugin) http() bool {
	return len(p.Protocols) == 0 || slices.Contains(p.Protocols, "http") || slices.Contains(p.Protocols, "https")
}

// keyAuth is the configuration of a key-auth plugin. The defaults are those of Kong 3.9 (testdata, plugins).
type keyAuth struct {
	KeyNames    []string `json:"key_names"`
	KeyInHeader *bool    `json:"key_in_header"`
	KeyInQuery  *bool    `json:"key_in_query"`
	Anonymous   string
}

type acl struct{ Allow, Deny []string }

// rateLimiting is the part of a rate-limiting plugin that people care for: how many requests in which time.
type rateLimiting struct {
	Second, Minute, Hour, Day, Month, Year *float64
}

// decode reads a plugin's configuration.
func (p plugin) decode(into any) error {
	if err := json.Unmarshal(p.Config, into); err != nil {
		return fmt.Errorf("%w: the configuration of plugin %s (%s) is not what this version of Kong has", portal.ErrInvalid, p.ID, p.Name)
	}
	return nil
}

type consumer struct {
	ID   string
	Tags []string
}

type membership struct {
	ID    string
	Group string
	Tags  []string
}

// credential is a key-auth credential without its key.
type credential struct {
	ID        string
	Consumer  *reference
	CreatedAt int64    `json:"created_at"` // epoch seconds; a PUT resets it
	TTL       *float64 // seconds that remain; after a write one less than was asked for
	Tags      []string
}

// keyed is a credential with its key, which Kong shows to whoever may read the Admin API. Only Issue reads it.
type keyed struct {
	credential
	Key string
}

func (c *consumer) valid() bool   { return isID(c.ID) }
func (c *credential) valid() bool { return isID(c.ID) && isID(c.Consumer.id()) }
