package document

// Hide takes hidden words, host names among them, out of a text whose authors may name anybody else: the owners of an API
// write about it on purpose. It is for texts that people curate; for those from outside there is Text.
func Hide(text string, hidden []string) string { return newScrubber(nil, hidden).cleanWords(text) }
