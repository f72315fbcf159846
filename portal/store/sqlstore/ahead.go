package sqlstore

import "iter"

// ahead encodes rows while those before them are written: encode is called in another goroutine, write in the caller's, in
// order, with how many rows there are. The first error of either ends both.
func ahead[T any](chunks iter.Seq[[]T], encode func([]T) ([]any, error), write func(n int, values []any) error) error {
	type encoded struct {
		rows   int
		values []any
		err    error
	}
	next, enough := make(chan encoded, 4), make(chan struct{})
	defer close(enough)
	go func() {
		defer close(next)
		for chunk := range chunks {
			values, err := encode(chunk)
			select {
			case next <- encoded{len(chunk), values, err}:
			case <-enough:
				return
			}
		}
	}()
	for e := range next {
		if e.err != nil {
			return e.err
		}
		if err := write(e.rows, e.values); err != nil {
			return err
		}
	}
	return nil
}
