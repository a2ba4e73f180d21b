package facade

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/fairqueue"
)

const (
	// mostWrites and mostReads are how many calls to the API server are under way at one time.
	// It does not do more in a second if it is asked to do more at once; it does each later.
	mostWrites, mostReads = 16, 64
	// longestTurn is how long a call may wait for its turn. It is certain then that nothing of
	// it has left.
	longestTurn = 45 * time.Second
)

// turns has calls to the API server take turns, and clients among them. Thousands that arrive at
// one moment would else all run into the timeout that is meant for one; the time in which a call
// waits here is not of it. Reads do not wait for writes: they end requests, which writes begin.
// One client's thousands do not hold up another one's call: it waits for one of each client.
type turns struct {
	client.Client
	writes, reads *fairqueue.Gate
}

func newTurns(of client.Client) *turns {
	return &turns{Client: of, writes: fairqueue.NewGate(mostWrites), reads: fairqueue.NewGate(mostReads)}
}

// Get waits for its turn, and reads an object.
func (t *turns) Get(ctx context.Context, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
	return inTurn(ctx, t.reads, key.Namespace, func() error { return t.Client.Get(ctx, key, object, opts...) })
}

// Create waits for its turn, and creates an object.
func (t *turns) Create(ctx context.Context, object client.Object, opts ...client.CreateOption) error {
	return inTurn(ctx, t.writes, object.GetNamespace(), func() error { return t.Client.Create(ctx, object, opts...) })
}

// Patch waits for its turn, and changes an object.
func (t *turns) Patch(ctx context.Context, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
	return inTurn(ctx, t.writes, object.GetNamespace(), func() error { return t.Client.Patch(ctx, object, patch, opts...) })
}

// inTurn makes a call once it is its client's turn.
func inTurn(ctx context.Context, gate *fairqueue.Gate, of string, call func() error) error {
	waiting, cancel := context.WithTimeout(ctx, longestTurn)
	defer cancel()
	leave, err := gate.Enter(waiting, of)
	if err != nil {
		return fmt.Errorf("waiting for a turn to call the API server: %w", err)
	}
	defer leave()
	return call()
}
