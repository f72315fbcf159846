package site

import (
	"crypto/hpke"
	"encoding/binary"
	"fmt"
	"io"

	"concierge/portal"
)

// Answers are encrypted by HPKE (RFC 9180) to the caller's one-time key: X25519 with ML-KEM-768, so that a copy of the
// database keeps nothing for later. Each call and operation has a context of its own; the parts of an answer are in it by
// their order, and each says whether it is the last, so none can be moved, left out or repeated.
var kem, kdf, aead = hpke.MLKEM768X25519(), hpke.HKDFSHA256(), hpke.AES256GCM()

// purpose is what an answer is bound to.
func purpose(call string, gateway portal.GatewayID, operation string) []byte {
	return fmt.Appendf(nil, "concierge site answer 1\n%s\n%s\n%s", call, gateway, operation)
}

func place(last bool) []byte {
	if last {
		return []byte("last")
	}
	return []byte("more")
}

// sealer cuts an answer into parts, encrypts them and hands them to send in their order.
type sealer struct {
	to   *hpke.Sender
	enc  []byte // goes ahead of the first part
	send func(number int, last bool, content []byte) error
	n    int
	buf  []byte
}

func newSealer(replyKey []byte, context []byte, send func(number int, last bool, content []byte) error) (*sealer, error) {
	key, err := kem.NewPublicKey(replyKey)
	if err != nil {
		return nil, fmt.Errorf("key of the caller: %w: %w", portal.ErrInvalid, err)
	}
	enc, to, err := hpke.NewSender(key, kdf, aead, context)
	if err != nil {
		return nil, fmt.Errorf("key of the caller: %w", err)
	}
	return &sealer{to: to, enc: enc, send: send, buf: make([]byte, 0, partSize)}, nil
}

func (s *sealer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if len(s.buf) == partSize {
			if err := s.part(false); err != nil {
				return n, err
			}
		}
		took := min(len(p), partSize-len(s.buf))
		s.buf, p, n = append(s.buf, p[:took]...), p[took:], n+took
	}
	return n, nil
}

// Close sends the last part.
func (s *sealer) Close() error { return s.part(true) }

func (s *sealer) part(last bool) error {
	sealed, err := s.to.Seal(place(last), s.buf)
	if err != nil {
		return fmt.Errorf("encrypting an answer: %w", err)
	}
	if s.n == 0 {
		sealed = append(append(binary.BigEndian.AppendUint16(nil, uint16(len(s.enc))), s.enc...), sealed...)
	}
	if err := s.send(s.n, last, sealed); err != nil {
		return err
	}
	s.n, s.buf = s.n+1, s.buf[:0]
	return nil
}

// opener reads an answer of some parts, which it loads one after the other.
type opener struct {
	key     hpke.PrivateKey
	context []byte
	parts   int
	load    func(number int) ([]byte, error)

	from *hpke.Recipient
	n    int
	rest []byte
}

var errNonsense = fmt.Errorf("the worker's answer makes no sense: %w", portal.ErrInvalid)

func (o *opener) Read(p []byte) (int, error) {
	for len(o.rest) == 0 {
		if o.n == o.parts {
			return 0, io.EOF
		}
		if err := o.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

func (o *opener) next() error {
	sealed, err := o.load(o.n)
	if err != nil {
		return err
	}
	if o.n == 0 {
		if len(sealed) < 2 || len(sealed)-2 < int(binary.BigEndian.Uint16(sealed)) {
			return errNonsense
		}
		size := int(binary.BigEndian.Uint16(sealed))
		if o.from, err = hpke.NewRecipient(sealed[2:2+size], o.key, kdf, aead, o.context); err != nil {
			return errNonsense
		}
		sealed = sealed[2+size:]
	}
	if o.rest, err = o.from.Open(place(o.n == o.parts-1), sealed); err != nil {
		return errNonsense
	}
	o.n++
	return nil
}
