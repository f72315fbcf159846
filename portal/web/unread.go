package web

import "concierge/portal/document"

// unread says in the reader's language why a document is not taken over, and what to do. What is no reason of the reader of
// documents is said as it is, in English: ours is false then.
func (v *visit) unread(text string) (said string, ours bool) {
	reason, values, ok := document.ReasonIn(text)
	if !ok {
		return text, false
	}
	var pairs []any
	for i, value := range values {
		pairs = append(pairs, string(rune('A'+i)), value)
	}
	return v.text.T("unread."+string(reason), pairs...), true
}
