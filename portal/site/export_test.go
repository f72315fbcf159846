package site

import (
	"bufio"
	"context"
	"io"
	"time"

	"concierge/connectors"
	"concierge/portal"
)

// The bounds and times that tests need.
const (
	LeaseFor  = leaseFor
	GoneAfter = pollFor + graceFor
	AtOnce    = atOnce
	PartSize  = partSize
	MaxAnswer = maxAnswer
)

// LookOften makes callers and polls look often, for tests whose clock stands still.
func LookOften() { lookEvery = 5 * time.Millisecond }

// Order is a call as a worker has it.
type Order = order

// PollOnce asks for calls like Run, without waiting for one and without doing it.
func (r *Runner) PollOnce(ctx context.Context) ([]Order, []string, error) {
	if r.doing == nil {
		r.busy, r.doing = map[portal.GatewayID]int{}, map[string]*errand{}
	}
	asked := r.poll()
	asked.Wait = 0
	var said polled
	err := r.post(ctx, pollPath, asked, &said)
	var ignored []string
	for _, i := range said.Ignored {
		ignored = append(ignored, string(i.ID)+": "+i.Reason)
	}
	return said.Calls, ignored, err
}

// AnswerFound answers a call of Find.
func (r *Runner) AnswerFound(ctx context.Context, o Order, f connectors.Found) error {
	return r.answer(ctx, o, reply{Found: []found{toFound(f)}}, nil)
}

// AnswerPart sends one part that is not encrypted.
func (r *Runner) AnswerPart(ctx context.Context, o Order, number int, last bool, content []byte) error {
	return r.part(ctx, o, number, last, content)
}

// HandBack hands calls back.
func (r *Runner) HandBack(ctx context.Context, orders ...Order) error {
	var h held
	for _, o := range orders {
		h.Calls = append(h.Calls, heldCall{o.ID, o.Lease})
	}
	return r.post(ctx, returnPath, h, &struct{}{})
}

// Renew keeps calls, and names those that are lost.
func (r *Runner) Renew(ctx context.Context, orders ...Order) ([]string, error) {
	var h held
	for _, o := range orders {
		h.Calls = append(h.Calls, heldCall{o.ID, o.Lease})
	}
	var gone lost
	err := r.post(ctx, renewPath, h, &gone)
	return gone.Calls, err
}

// Bytes of an answer that came for a call, in clear.
func (r *Runner) AnswerBytes(ctx context.Context, o Order, content []byte) error {
	to, err := newSealer(o.ReplyKey, purpose(o.ID, o.Gateway, o.Operation), func(number int, last bool, content []byte) error {
		return r.part(ctx, o, number, last, content)
	})
	if err != nil {
		return err
	}
	if _, err := to.Write(content); err != nil {
		return err
	}
	return to.Close()
}

// Seal encrypts an answer to a key, for a call of one gateway's Find.
func Seal(replyKey []byte, call string, gateway portal.GatewayID, content []byte) (parts [][]byte, err error) {
	to, err := newSealer(replyKey, purpose(call, gateway, opFind), func(_ int, _ bool, content []byte) error {
		parts = append(parts, content)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if _, err := to.Write(content); err != nil {
		return nil, err
	}
	return parts, to.Close()
}

// Unseal is what the caller does with the parts; it makes the key pair before asking for them.
func Unseal(call string, gateway portal.GatewayID, parts func(replyKey []byte) [][]byte) ([]byte, error) {
	key, err := kem.GenerateKey()
	if err != nil {
		return nil, err
	}
	all := parts(key.PublicKey().Bytes())
	return io.ReadAll(bufio.NewReader(&opener{
		key: key, context: purpose(call, gateway, opFind), parts: len(all), load: func(n int) ([]byte, error) { return all[n], nil },
	}))
}
