// Package ui is the look of the pages: templ components over plain display structs.
//
// A component fetches nothing, decides nothing and knows no service. It speaks the language that WithSetting put into
// its context. No component but Revealed ever gets a secret, and Revealed is never used in the desktop window.
// Text that came from outside is escaped by templ; Markdown must have been made harmless by document.Markdown.
package ui
