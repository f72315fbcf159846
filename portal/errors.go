package portal

import (
	"errors"
	"fmt"
	"time"
)

// Kinds of error. Every layer wraps one of these; test with errors.Is, never by text. Whoever may not see a thing gets
// ErrNotFound, exactly as for a thing that does not exist.
var (
	ErrNotFound    = errors.New("not found")
	ErrDenied      = errors.New("denied")
	ErrUnavailable = errors.New("unavailable") // transient: retry with back-off
	ErrConflict    = errors.New("conflict")    // somebody else was first, or the state forbids it
	ErrUnsupported = errors.New("unsupported") // this gateway, or this route's configuration, cannot do it
	ErrInvalid     = errors.New("invalid")     // the caller's input; the message says what to do
)

// GatewayError says which gateway failed at what. Connectors return kinds; ingest and keys add this around them.
type GatewayError struct {
	Gateway GatewayID
	Op      string // connector method, such as "Issue"
	Err     error
}

func (e *GatewayError) Error() string {
	return fmt.Sprintf("gateway %s: %s: %v", e.Gateway, e.Op, e.Err)
}
func (e *GatewayError) Unwrap() error { return e.Err }

// ConflictError is a conflict with a thing that the caller may see, such as the claim that is already open.
type ConflictError struct {
	Kind string // noun of the thing in the way: "credential", "act"
	ID   string
	Err  error // says what conflicts and what to do
}

func (e *ConflictError) Error() string        { return fmt.Sprintf("%v (%s %s)", e.Err, e.Kind, e.ID) }
func (e *ConflictError) Unwrap() error        { return e.Err }
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// RetryAfterError is ErrUnavailable with the time after which a retry makes sense.
type RetryAfterError struct {
	After time.Duration
	Err   error
}

func (e *RetryAfterError) Error() string        { return fmt.Sprintf("%v; retry after %s", e.Err, e.After) }
func (e *RetryAfterError) Unwrap() error        { return e.Err }
func (e *RetryAfterError) Is(target error) bool { return target == ErrUnavailable }

// NoEndpointError is ErrNotFound for an API that the consumer may see but that has no endpoint for the request.
type NoEndpointError struct {
	API          string        // slug
	Environments []Environment // where this consumer has an endpoint, in configured order
	// Retired: there is something that fits, which only those still use who hold a key there.
	Retired bool
}

func (e *NoEndpointError) Error() string {
	if e.Retired {
		return fmt.Sprintf("%s is retired there: it takes nobody new; the page of the API says what takes its place", e.API)
	}
	if len(e.Environments) == 0 {
		return fmt.Sprintf("%s has no endpoint for you", e.API)
	}
	return fmt.Sprintf("%s has no endpoint for you there; you have one in %v", e.API, e.Environments)
}
func (e *NoEndpointError) Is(target error) bool { return target == ErrNotFound }
