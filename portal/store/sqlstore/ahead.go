package sqlstore

import (
	"context"
	"iter"
	"slices"
	"strings"
)

// add adds a row to a table for each of all. Where one of them is there already, none is added: portal.ErrConflict.
func add[T any](ctx context.Context, tx *Tx, table string, columns []string, all []T, row func(T) ([]any, error)) error {
	if len(all) == 0 {
		return nil
	}
	return tx.q.Add(ctx, table, columns, ahead(all, row))
}

// aheadAtOnce is how many rows are encoded together.
const aheadAtOnce = 32

// ahead encodes rows in another goroutine, while those before them are written. It ends with the first error.
func ahead[T any](all []T, row func(T) ([]any, error)) iter.Seq2[[]any, error] {
	type encoded struct {
		rows [][]any
		err  error
	}
	encode := func(some []T) (e encoded) {
		for _, v := range some {
			values, err := row(v)
			if err != nil {
				return encoded{e.rows, err}
			}
			e.rows = append(e.rows, values)
		}
		return e
	}
	return func(yield func([]any, error) bool) {
		next, enough := make(chan encoded, 8), make(chan struct{})
		defer close(enough)
		go func() {
			defer close(next)
			for some := range slices.Chunk(all, aheadAtOnce) {
				select {
				case next <- encode(some):
				case <-enough:
					return
				}
			}
		}()
		for e := range next {
			for _, values := range e.rows {
				if !yield(values, nil) {
					return
				}
			}
			if e.err != nil {
				yield(nil, e.err)
				return
			}
		}
	}
}

// Insert adds rows by statements of n rows: Add for an engine that has no other way.
func Insert(ctx context.Context, q Querier, n int, table string, columns []string, rows iter.Seq2[[]any, error]) error {
	into := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES "
	whole := into + places(n, len(columns))
	values := make([]any, 0, n*len(columns))
	for row, err := range rows {
		if err != nil {
			return err
		}
		if values = append(values, row...); len(values) < cap(values) {
			continue
		}
		if _, err := q.Exec(ctx, whole, values...); err != nil {
			return err
		}
		values = values[:0]
	}
	if len(values) == 0 {
		return nil
	}
	_, err := q.Exec(ctx, into+places(len(values)/len(columns), len(columns)), values...)
	return err
}
