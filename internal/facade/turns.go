package facade

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// mostWrites and mostReads are how many calls to the API server are under way at one time.
	// It does not do more in a second if it is asked to do more at once; it does each later.
	mostWrites, mostReads = 64, 64
	// longestTurn is how long a call may wait for its turn. It is certain then that nothing of
	// it has left.
	longestTurn = 45 * time.Second
)

// turns has calls to the API server take turns. Thousands that arrive at one moment would else
// all run into the timeout that is meant for one; the time in which a call waits here is not of
// it. Reads do not wait for writes: they end requests, which writes begin.
type turns struct {
	client.Client
	writes, reads lane
}

func newTurns(of client.Client) *turns {
	return &turns{Client: of, writes: make(lane, mostWrites), reads: make(lane, mostReads)}
}

// Get waits for its turn, and reads an object.
func (t *turns) Get(ctx context.Context, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
	return t.reads.run(ctx, func() error { return t.Client.Get(ctx, key, object, opts...) })
}

// Create waits for its turn, and creates an object.
func (t *turns) Create(ctx context.Context, object client.Object, opts ...client.CreateOption) error {
	return t.writes.run(ctx, func() error { return t.Client.Create(ctx, object, opts...) })
}

// Patch waits for its turn, and changes an object.
func (t *turns) Patch(ctx context.Context, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
	return t.writes.run(ctx, func() error { return t.Client.Patch(ctx, object, patch, opts...) })
}

// lane lets as many through at one time as it has room for, the first to come first.
type lane chan struct{}

func (l lane) run(ctx context.Context, call func() error) error {
	waiting := time.NewTimer(longestTurn)
	defer waiting.Stop()
	select {
	case l <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("waiting for a turn to call the API server: %w", ctx.Err())
	case <-waiting.C:
		return fmt.Errorf("waiting for a turn to call the API server: %w", context.DeadlineExceeded)
	}
	defer func() { <-l }()
	return call()
}
