package postgres

import (
	"strings"

	"concierge/portal/search"
)

// IndexRow implements sqlstore.Words with a tsvector.
func (querier) IndexRow(row int64, api string, tokens []string) (string, []any) {
	return `INSERT INTO search_index (row, api, tokens) VALUES ($1, $2, array_to_tsvector($3::text[]))`, []any{row, api, tokens}
}

// ForgetRows implements sqlstore.Words.
func (querier) ForgetRows(api string) (string, []any) {
	return `DELETE FROM search_index WHERE row IN (SELECT id FROM search_rows WHERE api = $1)`, []any{api}
}

// MatchRows implements sqlstore.Words. The rows are found by the index before they are counted: with few statistics a
// LIMIT lets PostgreSQL read the whole table in the hope of finding enough at once.
func (querier) MatchRows(e search.Expression, limit int) (string, []any) {
	var b strings.Builder
	for i, group := range e {
		if i > 0 {
			b.WriteString(" & ")
		}
		b.WriteByte('(')
		for k, t := range group {
			if k > 0 {
				b.WriteString(" | ")
			}
			b.WriteString(`'` + t.Token + `'`) // no token holds a quote or a backslash
			if t.Prefix {
				b.WriteString(":*")
			}
		}
		b.WriteByte(')')
	}
	return `WITH found AS MATERIALIZED (SELECT api, row FROM search_index WHERE tokens @@ $1::text::tsquery) SELECT api, row FROM found LIMIT $2`, []any{b.String(), limit}
}

// TidyRows implements sqlstore.Words: vacuum does it.
func (querier) TidyRows() (statement, done string) { return "", "" }
