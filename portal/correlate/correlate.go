// Package correlate decides which deployments are one API.
//
// It is pure: facts in, judgement out, no clock, no network, no database but the Index that it is given. What a
// deployment tells is condensed into a Sketch. Compare judges two of them, with a score and reasons. Place puts new
// deployments beside known ones: what is surely one API is joined, what may be is for a person to decide, the rest stays
// apart. Compare is symmetrical, and Place does not depend on the order in which it is given things.
package correlate

// Operation is one method of one path.
type Operation struct {
	Method string // empty, "ANY", "ALL" or "*": every method
	Path   string // a template in any gateway's spelling: {id}, :id, <id>, *
}

// Deployment is what a gateway and its document tell about one deployment. Every field may be empty.
type Deployment struct {
	Explicit string   // the id by which it, or its document, names its API
	Title    string   // the gateway's name for it, however technical
	Names    []string // other names: the title in its document, the gateway's own object id where it consists of words
	Version  string   // as stated, such as "2.1.0"
	BaseURL  string   // the address that consumers use
	Servers  []string // base URLs that its document names
	Upstream string   // URL, or host, of the back end
	Owner    string
	Shape    Shape       // of its document
	Routes   []Operation // of the gateway; looked at where Shape is zero
}

// Verdict is what is to be done about two deployments.
type Verdict string

// Apart: two APIs. Review: a person decides. Join: one API, if one owner division has both.
const (
	Apart  Verdict = "apart"
	Review Verdict = "review"
	Join   Verdict = "join"
)

// Match is the judgement on two deployments.
type Match struct {
	Score   float64 // how likely they are one API, 0 to 1
	Verdict Verdict
	Reasons []Reason // the one that weighs most first
}

// Member is one deployment among others.
type Member struct {
	ID       string // unique among all
	Entry    string // that it belongs to; empty: none yet
	Division string // the owner of its entry, else its own; nothing is joined across divisions
	Sketch   Sketch
	Sum      int64 // of the sketch; 0: not known

	*prepared // nil: it is not yet
}

// Index finds known members.
type Index interface {
	// Near returns members that have one of the keys, in any order, each once at least; Place changes nothing of them. Of a key that more than Common
	// members have it may return any Common of them, always the same ones.
	Near(keys []uint64) ([]*Member, error)
}

// Common is how many members may share a key before it says too little about them.
const Common = 64

// Result says where new members belong.
type Result struct {
	Joins   []Joined
	Reviews []Pair
}

// Joined is an entry with the new members that belong to it.
type Joined struct {
	Entry    string   // a known one; empty: a new one
	Members  []int    // by their place in the list of new ones, ascending
	Explicit string   // the id by which its members name it; empty: none does
	Score    float64  // of the weakest link that holds them together; 1 for a member that is alone
	Reasons  []Reason // of that link; none for a member that is alone
}

// Pair is a question for a person: are the entries of these two members one API? Two entries are asked about once.
type Pair struct {
	A, B    string // ids of members, A before B
	Score   float64
	Reasons []Reason
}
