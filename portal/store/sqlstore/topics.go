package sqlstore

import (
	"context"
	"sync"
)

// Topics hands what is told to the listeners of this process. The zero value is ready; it is safe for concurrent use.
type Topics struct {
	mu        sync.Mutex
	listeners map[string]map[chan struct{}]bool
}

// Listen returns a channel that receives after Tell, until ctx ends. What is told while one waits is not told twice.
func (t *Topics) Listen(ctx context.Context, topic string) <-chan struct{} {
	ch := make(chan struct{}, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.listeners == nil {
		t.listeners = map[string]map[chan struct{}]bool{}
	}
	if t.listeners[topic] == nil {
		t.listeners[topic] = map[chan struct{}]bool{}
	}
	t.listeners[topic][ch] = true
	context.AfterFunc(ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.listeners[topic], ch)
		if len(t.listeners[topic]) == 0 {
			delete(t.listeners, topic)
		}
	})
	return ch
}

// Tell wakes who listens to the topics.
func (t *Topics) Tell(topics ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, topic := range topics {
		wake(t.listeners[topic])
	}
}

// TellAll wakes everybody: some of what was told may have been missed.
func (t *Topics) TellAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, listeners := range t.listeners {
		wake(listeners)
	}
}

func wake(listeners map[chan struct{}]bool) {
	for ch := range listeners {
		select {
		case ch <- struct{}{}:
		default: // it has one waiting
		}
	}
}
