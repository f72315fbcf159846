package api

import (
	"context"
	"time"

	"concierge/portal"
)

// Job is one piece of work that the portal does by itself.
type Job struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind" doc:"What is done, such as sync or act"`
	Subject  string     `json:"subject" doc:"The id of what it is done to; empty where the kind says it all"`
	State    string     `json:"state" enum:"scheduled,available,running,retrying,completed,cancelled,failed"`
	Attempt  int        `json:"attempt"`
	Error    string     `json:"error,omitempty" doc:"Why it failed last, without secrets"`
	Created  time.Time  `json:"created"`
	Due      time.Time  `json:"due" doc:"When it runs next, or ran"`
	Ended    *time.Time `json:"ended,omitempty"`
	Periodic bool       `json:"periodic" doc:"It comes again by itself"`
}

// JobsQuery filters jobs. Empty fields do not filter.
type JobsQuery struct {
	Paging
	Kind  string
	State string
}

// Jobs is for platform administrators; for anyone else all of it is ErrNotFound.
type Jobs interface {
	// Jobs lists them: those that wait or run first, by when they are due, then those that have ended, the newest first.
	Jobs(ctx context.Context, q JobsQuery) (Page[Job], error)
	Job(ctx context.Context, id string) (Job, error)
	// RunJob lets one that waits, or has failed, run now. ErrConflict where it is running.
	RunJob(ctx context.Context, id string) (Job, error)
}

// Site is a place from which gateways are reached.
type Site struct {
	Name     string   `json:"name"`
	Local    bool     `json:"local" doc:"It is the portal's own process and has no workers"`
	Gateways []string `json:"gateways" doc:"Ids of the gateways that are reached from there"`
	Workers  []Worker `json:"workers"`
	// Waiting is how many calls wait for a worker.
	Waiting    int         `json:"waiting" doc:"Calls that wait for a worker"`
	Enrolments []Enrolment `json:"enrolments" doc:"Those that can still be used"`
}

// Worker is a process that acts on the gateways of one site.
type Worker struct {
	ID       string    `json:"id"`
	Site     string    `json:"site"`
	Name     string    `json:"name" doc:"As it calls itself: its host"`
	Version  string    `json:"version"`
	State    string    `json:"state" enum:"connected,gone,revoked"`
	Gateways []string  `json:"gateways" doc:"Ids of the gateways that it holds credentials of"`
	Enrolled time.Time `json:"enrolled"`
	LastSeen time.Time `json:"last_seen"`
	// Reused tells of a token that somebody else may have: it is refused, and worth asking about.
	Reused *time.Time `json:"reused,omitempty" doc:"When somebody else tried again the token that it had joined with"`
}

// Enrolment lets one worker join a site, once.
type Enrolment struct {
	ID      string    `json:"id"`
	Site    string    `json:"site"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// CreatedEnrolment is the one answer that carries the token.
type CreatedEnrolment struct {
	Enrolment
	Token portal.Secret `json:"-"`
}

// Sites is for platform administrators; for anyone else all of it is ErrNotFound.
type Sites interface {
	// Sites lists all that a gateway or a worker names, the local one first.
	Sites(ctx context.Context) ([]Site, error)
	Site(ctx context.Context, name string) (Site, error)
	// CreateEnrolment makes a token with which one worker joins the site.
	CreateEnrolment(ctx context.Context, site string) (CreatedEnrolment, error)
	RevokeEnrolment(ctx context.Context, id string) error
	// RevokeWorker ends what the worker may do, at once.
	RevokeWorker(ctx context.Context, id string) (Worker, error)
}
