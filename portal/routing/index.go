package routing

import (
	"hash/maphash"
	"iter"
	"maps"
	"slices"
)

// shardCount is a power of two. One edit copies one shard and the list of shards: with 25,000 keys about 25 of them and
// 8 kB.
const shardCount = 1024

var shardSeed = maphash.MakeSeed()

// index is a map that never changes. The zero value is empty.
type index[K comparable, V any] struct {
	shards []map[K]V // nil or shardCount of them
}

func shardOf[K comparable](k K) uint64 { return maphash.Comparable(shardSeed, k) % shardCount }

// get returns the zero V where there is none.
func (x index[K, V]) get(k K) V {
	if x.shards == nil {
		var none V
		return none
	}
	return x.shards[shardOf(k)][k]
}

// all lists the values in no order.
func (x index[K, V]) all() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, shard := range x.shards {
			for _, v := range shard {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// edit begins a changed copy.
func (x index[K, V]) edit() *indexEdit[K, V] { return &indexEdit[K, V]{index: x} }

// indexEdit is an index in the making. It copies what it changes, each part once.
type indexEdit[K comparable, V any] struct {
	index[K, V]
	own []bool // shards that are no longer shared; nil: the list itself is
}

func (e *indexEdit[K, V]) shard(k K) map[K]V {
	if e.own == nil {
		e.own = make([]bool, shardCount)
		if e.shards == nil {
			e.shards = make([]map[K]V, shardCount)
		} else {
			e.shards = slices.Clone(e.shards)
		}
	}
	n := shardOf(k)
	if !e.own[n] {
		e.own[n] = true
		if e.shards[n] == nil {
			e.shards[n] = map[K]V{}
		} else {
			e.shards[n] = maps.Clone(e.shards[n])
		}
	}
	return e.shards[n]
}

func (e *indexEdit[K, V]) set(k K, v V) { e.shard(k)[k] = v }

func (e *indexEdit[K, V]) delete(k K) { delete(e.shard(k), k) }

// done ends the edit; it must not be used afterwards.
func (e *indexEdit[K, V]) done() index[K, V] { return e.index }
