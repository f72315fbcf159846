package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"concierge/portal/store"
)

// State is what a portal looks like at one moment. All but Table, Pools and Traffic is the same on every replica: take max, not
// sum.
type State struct {
	Table    Table
	Pools    []store.Pool
	Traffic  []Traffic
	Gateways []Gateway
	Acts     []Acts
	Jobs     []Jobs
	Sites    []Site
}

// Table is the routing table of this process.
type Table struct {
	Version int64
	Current time.Time     // when it was last known to be as new as the store; zero: never
	Rebuild time.Duration // how long the last change took to get in
}

// Traffic is how this process gets on with the admin side of a gateway.
type Traffic struct {
	Gateway  string
	Open     bool // its circuit: it failed again and again and is left alone
	Waiting  int  // calls that wait for their turn
	Watching bool
}

// Gateway is one that is registered.
type Gateway struct {
	ID                        string
	LastSync                  string    // state of the last run; empty: none
	LastGood                  time.Time // zero: never
	Deployments, Unclassified int
}

// Acts are the open acts of a kind in a phase.
type Acts struct {
	Kind, Phase string
	Open        int
	Oldest      time.Time
}

// Jobs are those of a kind in a state.
type Jobs struct {
	Kind, State string
	Count       int
}

// Site is where gateways are reached from.
type Site struct {
	Name             string
	Workers, Waiting int
}

const (
	stateTimeout = 5 * time.Second
	stateKept    = 5 * time.Second // between two looks at the database, however often somebody asks
)

// stateMetric is a metric of State.
type stateMetric struct {
	Metric
	desc *prometheus.Desc
	each func(s State, now time.Time, set func(value float64, labels ...string))
}

func ofState(kind, name, help string, labels []string, each func(State, time.Time, func(float64, ...string))) stateMetric {
	return stateMetric{Metric{name, kind, labels, help}, prometheus.NewDesc(name, help, labels, nil), each}
}

var stateRead = ofState("gauge", "concierge_state_read", "1 when the metrics below could be read from the database, else 0: they are left out then.", nil, nil)

// stateMetrics are all of them, in the order of the documentation.
var stateMetrics = []stateMetric{
	ofState("gauge", "concierge_routing_table_version", "Number of the newest change that this process routes by.", nil,
		func(s State, _ time.Time, set func(float64, ...string)) { set(float64(s.Table.Version)) }),
	ofState("gauge", "concierge_routing_table_age_seconds", "Since the table was last known to be as new as the database.", nil,
		func(s State, now time.Time, set func(float64, ...string)) {
			if !s.Table.Current.IsZero() {
				set(now.Sub(s.Table.Current).Seconds())
			}
		}),
	ofState("gauge", "concierge_routing_table_rebuild_seconds", "How long the last change took from the database into the table.", nil,
		func(s State, _ time.Time, set func(float64, ...string)) { set(s.Table.Rebuild.Seconds()) }),

	ofState("gauge", "concierge_store_connections", "Connections to the database, by pool and state: in_use, idle.", []string{"pool", "state"},
		func(s State, _ time.Time, set func(float64, ...string)) {
			for _, p := range s.Pools {
				set(float64(p.InUse), p.Name, "in_use")
				set(float64(p.Idle), p.Name, "idle")
			}
		}),
	ofState("gauge", "concierge_store_connections_max", "The most connections that a pool opens.", []string{"pool"},
		func(s State, _ time.Time, set func(float64, ...string)) {
			for _, p := range s.Pools {
				set(float64(p.Max), p.Name)
			}
		}),
	ofState("counter", "concierge_store_connection_waits_total", "Times that a transaction waited for a connection.", []string{"pool"},
		func(s State, _ time.Time, set func(float64, ...string)) {
			for _, p := range s.Pools {
				set(float64(p.Waits), p.Name)
			}
		}),

	ofState("gauge", "concierge_gateway_circuit_open", "1 while this process leaves a gateway alone because it failed again and again, else 0.", []string{"gateway"},
		func(s State, _ time.Time, set func(float64, ...string)) {
			for _, t := range s.Traffic {
				set(number(t.Open), t.Gateway)
			}
		}),
	ofState("gauge", "concierge_gateway_calls_waiting", "Calls of this process that wait for their turn in a gateway's request budget.", []string{"gateway"},
		func(s State, _ time.Time, set func(float64, ...string)) {
			for _, t := range s.Traffic {
				set(float64(t.Waiting), t.Gateway)
			}
		}),
	ofState("gauge", "concierge_gateway_watching", "1 while this process listens to a gateway that tells of changes, else 0.", []string{"gateway"},
		func(s State, _ time.Time, set func(float64, ...string)) {
			for _, t := range s.Traffic {
				set(number(t.Watching), t.Gateway)
			}
		}),

	stateRead,
	ofState("gauge", "concierge_gateway_last_sync", "Always 1: the state of a gateway's last sync; running, applied, unchanged, waiting, failed, none.", []string{"gateway", "state"},
		func(s State, _ time.Time, set func(float64, ...string)) {
			for _, g := range s.Gateways {
				set(1, g.ID, orNone(g.LastSync))
			}
		}),
	ofState("gauge", "concierge_gateway_last_good_sync_age_seconds", "Since the catalog last agreed with a gateway; left out where it never did.", []string{"gateway"},
		func(s State, now time.Time, set func(float64, ...string)) {
			for _, g := range s.Gateways {
				if !g.LastGood.IsZero() {
					set(now.Sub(g.LastGood).Seconds(), g.ID)
				}
			}
		}),
	ofState("gauge", "concierge_gateway_deployments", "Deployments that a gateway publishes.", []string{"gateway"},
		func(s State, _ time.Time, set func(float64, ...string)) {
			for _, g := range s.Gateways {
				set(float64(g.Deployments), g.ID)
			}
		}),
	ofState("gauge", "concierge_gateway_unclassified_deployments", "Of them those without audience or environment, which only administrators see.", []string{"gateway"},
		func(s State, _ time.Time, set func(float64, ...string)) {
			for _, g := range s.Gateways {
				set(float64(g.Unclassified), g.ID)
			}
		}),

	ofState("gauge", "concierge_acts_open", "Changes on gateways that are not over, by kind (issue, revoke) and what they wait for.", []string{"kind", "phase"},
		func(s State, _ time.Time, set func(float64, ...string)) {
			for _, a := range s.Acts {
				set(float64(a.Open), a.Kind, a.Phase)
			}
		}),
	ofState("gauge", "concierge_acts_oldest_age_seconds", "Age of the oldest of them; left out where there is none.", []string{"kind", "phase"},
		func(s State, now time.Time, set func(float64, ...string)) {
			for _, a := range s.Acts {
				set(now.Sub(a.Oldest).Seconds(), a.Kind, a.Phase)
			}
		}),

	ofState("gauge", "concierge_jobs", "Work that the portal does by itself and that is not over, by kind and state: scheduled, available, running, retrying. Counted up to 1000.", []string{"kind", "state"},
		func(s State, _ time.Time, set func(float64, ...string)) {
			for _, j := range s.Jobs {
				set(float64(j.Count), j.Kind, j.State)
			}
		}),

	ofState("gauge", "concierge_site_workers", "Workers of a site that are connected.", []string{"site"},
		func(s State, _ time.Time, set func(float64, ...string)) {
			for _, at := range s.Sites {
				set(float64(at.Workers), at.Name)
			}
		}),
	ofState("gauge", "concierge_site_calls_waiting", "Calls that wait for a worker of a site.", []string{"site"},
		func(s State, _ time.Time, set func(float64, ...string)) {
			for _, at := range s.Sites {
				set(float64(at.Waiting), at.Name)
			}
		}),
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func orNone(state string) string {
	if state == "" {
		return "none"
	}
	return state
}

// Read says how to look at the state. An error leaves out what is of the database: the rest of the State is used still.
// Without it none of its metrics are there.
func (t *Telemetry) Read(state func(context.Context) (State, error)) { t.state.set(state) }

// stateReader is a prometheus.Collector.
type stateReader struct {
	now func() time.Time

	mu   sync.Mutex // held while somebody looks: others wait for what they see
	read func(context.Context) (State, error)
	last State
	err  error
	at   time.Time
}

func (r *stateReader) set(read func(context.Context) (State, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read, r.at = read, time.Time{}
}

// Describe implements prometheus.Collector.
func (r *stateReader) Describe(to chan<- *prometheus.Desc) {
	for _, m := range stateMetrics {
		to <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (r *stateReader) Collect(to chan<- prometheus.Metric) {
	state, ok, err := r.look()
	if !ok {
		return
	}
	now := r.now()
	for _, m := range stateMetrics {
		kind := prometheus.GaugeValue
		if m.Type == "counter" {
			kind = prometheus.CounterValue
		}
		set := func(value float64, labels ...string) {
			if made, err := prometheus.NewConstMetric(m.desc, kind, value, labels...); err == nil {
				to <- made
			}
		}
		switch {
		case m.Name == stateRead.Name && err == nil:
			set(1)
		case m.Name == stateRead.Name:
			set(0)
		default:
			m.each(state, now, set)
		}
	}
}

func (r *stateReader) look() (s State, ok bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.read == nil {
		return State{}, false, nil
	}
	if now := r.now(); r.at.IsZero() || now.Sub(r.at) >= stateKept || now.Before(r.at) {
		ctx, cancel := context.WithTimeout(context.Background(), stateTimeout)
		defer cancel()
		r.last, r.err = r.read(ctx)
		if r.err != nil {
			r.last.Gateways, r.last.Acts, r.last.Jobs, r.last.Sites = nil, nil, nil, nil
		}
		r.at = now
	}
	return r.last, true, r.err
}
