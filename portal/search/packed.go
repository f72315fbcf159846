package search

import (
	"fmt"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxUnpacked is how many bytes of tokens a row may ask for: several times what one has at most.
const maxUnpacked = 16 << 20

var (
	encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	})
	decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxUnpacked), zstd.WithDecoderLowmem(true))
	})
)

// Pack writes tokens as a row keeps them: sorted ones repeat each other, and take a fifth of their room. None are nothing.
func Pack(tokens []string) ([]byte, error) {
	if len(tokens) == 0 {
		return []byte{}, nil
	}
	enc, err := encoder()
	if err != nil {
		return nil, fmt.Errorf("packing tokens: %w", err)
	}
	return enc.EncodeAll([]byte(strings.Join(tokens, " ")), nil), nil
}

// Unpack returns what was packed, separated by spaces.
func Unpack(packed []byte) (string, error) {
	if len(packed) == 0 {
		return "", nil
	}
	dec, err := decoder()
	if err != nil {
		return "", fmt.Errorf("unpacking tokens: %w", err)
	}
	tokens, err := dec.DecodeAll(packed, nil)
	if err != nil {
		return "", fmt.Errorf("tokens of a row are damaged: %w", err)
	}
	return string(tokens), nil
}
