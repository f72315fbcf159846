package correlate

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// pool keeps one of what many deployments have: their names, base paths and back ends, ready to be compared. A hundred
// thousand deployments take the less room for it, and what is compared often lies together. Nothing of it is ever changed.
// A nil one keeps nothing.
type pool struct {
	texts  map[string]string
	lists  map[string][]string
	names  map[string]*named
	titles map[string]titles
	bases  map[string][][]string
	fronts map[string][][]segment
	hosts  map[string]*host

	key []byte // room to write one
}

// titles are those of one deployment, as they are told and as they are compared.
type titles struct {
	told  []name
	ready []*named
}

func newPool() *pool {
	return &pool{
		texts: map[string]string{}, lists: map[string][]string{}, names: map[string]*named{}, titles: map[string]titles{},
		bases: map[string][][]string{}, fronts: map[string][][]segment{}, hosts: map[string]*host{},
	}
}

// keep returns what is kept for a list of texts; where there is nothing, it is made.
func keep[T any](p *pool, kept map[string]T, texts []string, made func() T) T {
	p.key = p.key[:0]
	for _, t := range texts {
		p.key = append(binary.AppendUvarint(p.key, uint64(len(t))), t...)
	}
	had, ok := kept[string(p.key)]
	if !ok {
		key := string(p.key)
		had = made()
		kept[key] = had
	}
	return had
}

// text returns an equal text that is kept.
func (p *pool) text(text string) string {
	if kept, ok := p.texts[text]; ok {
		return kept
	}
	text = strings.Clone(text)
	p.texts[text] = text
	return text
}

func (p *pool) list(texts []string) []string {
	if len(texts) == 0 {
		return nil
	}
	if p == nil {
		return texts
	}
	return keep(p, p.lists, texts, func() []string { return p.each(texts) })
}

// each is another list of the same texts.
func (p *pool) each(texts []string) []string {
	if len(texts) == 0 {
		return nil
	}
	list := make([]string, len(texts))
	for i, t := range texts {
		list[i] = p.text(t)
	}
	return list
}

// name returns an equal name that is ready to be compared.
func (p *pool) name(n name) *named {
	if p == nil {
		return newNamed(n)
	}
	return keep(p, p.names, append([]string{n.Text}, n.spelling()...), func() *named {
		return newNamed(name{Text: p.text(n.Text), Words: p.each(n.Words), All: p.each(n.All)})
	})
}

func (p *pool) named(told []name) titles {
	made := func() titles {
		t := titles{make([]name, len(told)), make([]*named, len(told))}
		for i, n := range told {
			t.ready[i] = p.name(n)
			t.told[i] = t.ready[i].name
		}
		return t
	}
	if p == nil {
		return made()
	}
	texts := make([]string, len(told))
	for i, n := range told {
		texts[i] = n.Text
	}
	return keep(p, p.titles, texts, made)
}

func (p *pool) base(base [][]string) [][]string {
	return keep(p, p.bases, flat(base), func() [][]string {
		all := make([][]string, len(base))
		for i, b := range base {
			all[i] = p.each(b)
		}
		return all
	})
}

func (p *pool) host(h *host) *host {
	return keep(p, p.hosts, append([]string{h.Text, h.Domain}, h.Words...), func() *host {
		return &host{Text: p.text(h.Text), Words: p.each(h.Words), Domain: p.text(h.Domain)}
	})
}

// front is what may stand in front of the paths of a shape.
func (p *pool) front(base [][]string, prefix []string) [][]segment {
	if p == nil {
		return newFronts(base, prefix)
	}
	return keep(p, p.fronts, append(flat(base), prefix...), func() [][]segment { return newFronts(base, prefix) })
}

// flat is a list for lists, another one for others.
func flat(lists [][]string) []string {
	var all []string
	for _, l := range lists {
		all = append(append(all, strconv.Itoa(len(l))), l...)
	}
	return all
}

// sketch replaces what others have too.
func (p *pool) sketch(k *Sketch) {
	k.Titles = p.named(k.Titles).told
	if k.Place != nil {
		k.Place = &p.name(*k.Place).name
	}
	if k.Upstream != nil {
		k.Upstream = p.host(k.Upstream)
	}
	k.Base, k.Domains, k.Owner, k.Shape.prefix = p.base(k.Base), p.list(k.Domains), p.text(k.Owner), p.list(k.Shape.prefix)
}
