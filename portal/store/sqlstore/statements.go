package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"unicode/utf8"

	"concierge/portal"
	"concierge/portal/store"
)

// Statements gives code that is written for these engines, and tests of them, the statements of a transaction.
func Statements(tx store.Tx) Querier { return tx.(*Tx).q }

// On is the transaction whose statements are run by q. What is told or noted in it goes nowhere.
func On(q Querier) *Tx { return &Tx{q: q, topics: map[string]bool{}} }

// statements passes the statements of one transaction on to its engine, and sees to it that all engines refuse the same
// text and that a transaction is over once a statement of it failed: PostgreSQL would ignore all that follows, SQLite not.
type statements struct {
	Querier
	failed error
}

func (s *statements) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := s.ready(args); err != nil {
		return 0, err
	}
	n, err := s.Querier.Exec(ctx, query, args...)
	return n, s.note(err)
}

func (s *statements) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	if err := s.ready(args); err != nil {
		return nil, err
	}
	rs, err := s.Querier.Query(ctx, query, args...)
	if err != nil {
		return nil, s.note(err)
	}
	return notedRows{rs, s}, nil
}

func (s *statements) Add(ctx context.Context, table string, columns []string, rows iter.Seq2[[]any, error]) error {
	if err := s.ready(nil); err != nil {
		return err
	}
	return s.note(s.Querier.Add(ctx, table, columns, func(yield func([]any, error) bool) {
		for row, err := range rows {
			if err == nil {
				err = storable(row)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}))
}

func (s *statements) Turn(ctx context.Context) error {
	if err := s.ready(nil); err != nil {
		return err
	}
	return s.note(s.Querier.Turn(ctx))
}

func (s *statements) Singly(ctx context.Context) error {
	if err := s.ready(nil); err != nil {
		return err
	}
	return s.note(s.Querier.Singly(ctx))
}

func (s *statements) Serialise(ctx context.Context) error {
	if err := s.ready(nil); err != nil {
		return err
	}
	return s.note(s.Querier.Serialise(ctx))
}

func (s *statements) Enqueue(ctx context.Context, j store.Job) error {
	if err := s.ready([]any{j.Kind, j.Subject}); err != nil {
		return err
	}
	return s.note(s.Querier.Enqueue(ctx, j))
}

func (s *statements) ready(args []any) error {
	if s.failed != nil {
		return fmt.Errorf("nothing is done after a statement that failed: %w", s.failed)
	}
	return s.note(storable(args))
}

func (s *statements) note(err error) error {
	if err != nil && s.failed == nil {
		s.failed = err
	}
	return err
}

// outcome is what a transaction comes to whose function returned err.
func (s *statements) outcome(err error) error {
	switch {
	case s.failed == nil || errors.Is(err, s.failed):
		return err
	case err == nil:
		return s.failed
	}
	return fmt.Errorf("%w: %w", err, s.failed)
}

// notedRows tells of the error that ends a result.
type notedRows struct {
	Rows
	s *statements
}

func (r notedRows) Err() error { return r.s.note(r.Rows.Err()) }

// storable refuses text that not every engine can keep.
func storable(args []any) error {
	for _, arg := range args {
		text, ok := arg.(string)
		if v := reflect.ValueOf(arg); !ok && v.Kind() == reflect.String {
			text = v.String()
		}
		if strings.IndexByte(text, 0) >= 0 || !utf8.ValidString(text) {
			return fmt.Errorf("text with a NUL or with bytes that are not UTF-8 cannot be kept: %w", portal.ErrInvalid)
		}
	}
	return nil
}
