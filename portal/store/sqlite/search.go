package sqlite

import (
	"strings"

	"concierge/portal/search"
)

// IndexRow implements sqlstore.Words with FTS5.
func (querier) IndexRow(row int64, _ string, tokens []string) (string, []any) {
	return `INSERT INTO search_index (rowid, tokens) VALUES ($1, $2)`, []any{row, strings.Join(tokens, " ")}
}

// ForgetRows implements sqlstore.Words.
func (querier) ForgetRows(api string) (string, []any) {
	return `DELETE FROM search_index WHERE rowid IN (SELECT id FROM search_rows WHERE api = $1)`, []any{api}
}

// MatchRows implements sqlstore.Words.
func (querier) MatchRows(e search.Expression, limit int) (string, []any) {
	var b strings.Builder
	for i, group := range e {
		if i > 0 {
			b.WriteString(" AND ")
		}
		b.WriteByte('(')
		for k, t := range group {
			if k > 0 {
				b.WriteString(" OR ")
			}
			b.WriteString(`"` + t.Token + `"`) // no token holds a quote
			if t.Prefix {
				b.WriteByte('*')
			}
		}
		b.WriteByte(')')
	}
	return `SELECT r.api, r.id FROM search_index JOIN search_rows r ON r.id = search_index.rowid WHERE search_index MATCH $1 LIMIT $2`, []any{b.String(), limit}
}

// TidyRows implements sqlstore.Words: what many transactions have written is merged, some hundred pages at a time, down to
// two parts of a size. A merge that has nothing to do changes one row (https://sqlite.org/fts5.html, 6.9).
func (querier) TidyRows() (statement, done string) {
	return `INSERT INTO search_index (search_index, rank) VALUES ('merge', 300)`, `SELECT total_changes()`
}
