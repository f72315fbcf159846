// Package document reads and rewrites API descriptions: OpenAPI 2.0, 3.0, 3.1 and 3.2, as JSON or YAML; and, as far as a catalog
// needs, AsyncAPI 2 and 3, GraphQL schemas, Protocol Buffers as text and as descriptors, and WSDL 1.1 and 2.0.
//
// It is pure: bytes in, bytes out, no files and no network, so a reference to another document is never followed.
// Descriptions come from gateways and are not trusted. Every function bounds its memory and its time by Limits, and what
// it cannot hold it refuses with an error that wraps portal.ErrInvalid and says what to do; it does not panic.
//
// Describe says what a description holds, for the catalog. Serve makes the description as a consumer sees it, with the
// one endpoint that was decided for them and without a trace of others. Synthesise writes one where the gateway has none.
// Markdown renders the texts in them harmlessly.
//
// The fields are those of the OpenAPI Specification 2.0, 3.0, 3.1 and 3.2 (spec.openapis.org). Checked against real documents of 3.0 and
// 3.1 only; of 2.0 and 3.2 against documents of our own.
package document

import (
	"fmt"
	"io"
	"slices"
)

// Format is how a description is written.
type Format string

// The formats.
const (
	JSON        Format = "json"
	YAML        Format = "yaml"
	SDL         Format = "graphql"
	Proto       Format = "proto"
	Descriptors Format = "descriptors" // a FileDescriptorSet
	XML         Format = "xml"
)

// Limits bound what one description may cost. A zero field means its default.
type Limits struct {
	// MaxBytes is the size of the description, and of all its texts once YAML aliases are written out. What is made
	// from it may be four times as large. Default 20 MiB: the largest known public one is GitHub's, 13 MB.
	MaxBytes int64
	// MaxDepth is how deep values may be nested. Default 100; the deepest of 200 real ones is 28.
	MaxDepth int
	// MaxNodes is how many values there may be, YAML aliases written out. Default 500,000; GitHub's has 232,000.
	// In YAML it is also checked before parsing, against an upper bound counted from punctuation.
	MaxNodes int
}

// Max is the size in bytes that holds.
func (l Limits) Max() int64 { return l.withDefaults().MaxBytes }

func (l Limits) withDefaults() Limits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = 20 << 20
	}
	if l.MaxDepth <= 0 {
		l.MaxDepth = 100
	}
	if l.MaxNodes <= 0 {
		l.MaxNodes = 500_000
	}
	return l
}

// Read reads a whole description into buf, which grows as needed, but never more than the limit. A description over it is
// portal.ErrInvalid; an error of r itself is passed on. The buffer is returned in any case, so that it can be used again.
func Read(buf []byte, r io.Reader, limits Limits) ([]byte, error) {
	limits = limits.withDefaults()
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, 4<<10)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limits.MaxBytes:
			return buf, tooLarge(limits.MaxBytes)
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, fmt.Errorf("reading the API description: %w", err)
		}
	}
}

func tooLarge(limit int64) error {
	return invalid(TooLarge, limit)
}

func tooMany(limit int) error {
	return invalid(TooMany, limit)
}

func tooDeep(limit int, at string) error {
	return invalid(TooDeep, limit, at)
}
