package catalog

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"concierge/portal"
)

// Packed is a document's content and description as they are kept: one Zstandard frame, since a description repeats what the
// content says. The zero value holds nothing.
type Packed struct {
	Bytes []byte
	Size  int // of the content in bytes; the description, as JSON, follows it in the frame
}

// maxUnpacked is how large a document with its description may be, and so how much memory a row can ask for. It is above every
// limit that takes documents in.
const maxUnpacked = 256 << 20 // bytes

var (
	// The fastest level makes descriptions in JSON seven times smaller; better ones cost several times as much.
	encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	})
	decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxUnpacked), zstd.WithDecoderLowmem(true))
	})
	packers = sync.Pool{New: func() any { return new(packer) }}
)

// packer has room for what is packed and for its frame.
type packer struct{ plain, frame []byte }

// keptRoom is the largest room that is used again, in bytes.
const keptRoom = 1 << 20

// Pack returns a document with its content and description packed, which takes some milliseconds for a megabyte: do it before a
// transaction. The content is left out of what is returned. An error wraps portal.ErrInvalid
// where the document is too large to be kept.
func (d Document) Pack() (Document, error) {
	description, err := json.Marshal(d.Description)
	if err != nil {
		return Document{}, fmt.Errorf("packing document %s: %w", d.Hash, err)
	}
	if len(d.Content)+len(description) > maxUnpacked {
		return Document{}, fmt.Errorf("document %s has more than %d bytes: %w", d.Hash, maxUnpacked, portal.ErrInvalid)
	}
	enc, err := encoder()
	if err != nil {
		return Document{}, fmt.Errorf("packing document %s: %w", d.Hash, err)
	}
	p := packers.Get().(*packer)
	p.plain = append(append(p.plain[:0], d.Content...), description...)
	p.frame = enc.EncodeAll(p.plain, p.frame[:0])
	d.Packed = Packed{slices.Clone(p.frame), len(d.Content)}
	if cap(p.plain) <= keptRoom {
		packers.Put(p)
	}
	d.Content = nil
	return d, nil
}

// Unpack returns the document with its content and description.
func (d Document) Unpack() (Document, error) {
	dec, err := decoder()
	if err != nil {
		return Document{}, fmt.Errorf("unpacking document %s: %w", d.Hash, err)
	}
	all, err := dec.DecodeAll(d.Packed.Bytes, nil)
	if err == nil && (d.Packed.Size < 0 || len(all) < d.Packed.Size) {
		err = fmt.Errorf("%d bytes of %d are there", len(all), d.Packed.Size)
	}
	if err == nil {
		err = json.Unmarshal(all[d.Packed.Size:], &d.Description)
	}
	if err != nil {
		return Document{}, fmt.Errorf("document %s is damaged: %w", d.Hash, err)
	}
	d.Content, d.Packed = all[:d.Packed.Size:d.Packed.Size], Packed{}
	return d, nil
}
