package crash

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/lifeline"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// Story is something that a client does, and that a manager works on.
type Story struct {
	Name string
	// Shop in which it happens.
	Shop testshop.Options
	// Known has the shop know its SM-DP+ address from an earlier order.
	Known bool
	// Open, where set, prepares the world before any manager runs.
	Open func(ctx context.Context, w *World) error
	// Tell does what a client does, and returns once the story has reached its end.
	Tell func(ctx context.Context, w *World) error
	// Config and Options, where set, change each manager; its steps out of the process go
	// through line.
	Config  func(w *World, config *manager.Config)
	Options func(w *World, line *lifeline.Line, options *manager.Options)
	// Beside, where set, starts what ends together with a manager, and returns how to end it.
	Beside func(ctx context.Context, w *World, line *lifeline.Line) (dismiss func() error, err error)
}

// World is where a story happens: nothing else is on its API server.
type World struct {
	// Name of the shop and of the client's namespace. It is another in each run; in facts and in
	// the names of points it is "shop".
	Name string
	// API is an administrator's client.
	API client.Client
	// Shop with the first operator.
	Shop *testshop.Shop
	// Own is what the story keeps for itself, from Open on.
	Own any

	stage   *stage
	also    map[string]func(ctx context.Context) (any, error)
	sellers []seller
	// wholesaler, where the story has one.
	wholesaler *wholesaler
	secrets    []func() []string
	closing    []func() error

	mu sync.Mutex
	// copies is how often one thing may be told at most: once by each manager, and once more by
	// one that cannot know whether it was heard.
	copies int
	// contradictions of orders' statuses, and matchingIDs that were sent.
	contradictions []error
	matchingIDs    map[string]bool
}

// seller is an operator that orders can be filled by.
type seller struct {
	name string
	// bought counts what somebody could use and pays for; stranded what is reserved for nobody.
	bought, stranded func() int
	// dropped counts the answers to DownloadOrder that it lost.
	dropped func() int
	// live tells whether an activation code of an ICCID downloads a profile.
	live func(code credentials) bool
	// address that its activation codes name.
	address string
}

// Also adds to what is compared at the end: the JSON of what look returns.
func (w *World) Also(name string, look func(ctx context.Context) (any, error)) { w.also[name] = look }

// Secret adds to what may be in no object but a Secret.
func (w *World) Secret(list func() []string) { w.secrets = append(w.secrets, list) }

// Closing has something done once the story is over.
func (w *World) Closing(end func() error) { w.closing = append(w.closing, end) }

const (
	// glance is between two looks at one object, and survey between two at the whole world,
	// which cost the API server more.
	glance = 10 * time.Millisecond
	survey = 50 * time.Millisecond
)

// Until waits until a look says that something is so. Its end by ctx names it.
func (w *World) Until(ctx context.Context, what string, look func(ctx context.Context) (bool, error)) error {
	return until(ctx, glance, what, look)
}

func until(ctx context.Context, pause time.Duration, what string, look func(ctx context.Context) (bool, error)) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		switch is, err := look(ctx); {
		case err != nil:
			return fmt.Errorf("waiting until %s: %w", what, err)
		case is:
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// Order as the API server has it; nil where it is gone.
func (w *World) Order(ctx context.Context, name string) (*v1alpha1.EsimOrder, error) {
	return w.Shop.Find(ctx, name)
}

// Edit changes an order as its owner does.
func (w *World) Edit(ctx context.Context, name string, change func(*v1alpha1.EsimOrder)) error {
	order, err := w.Order(ctx, name)
	if err != nil {
		return err
	}
	if order == nil {
		return fmt.Errorf("editing the order %s: it is gone", name)
	}
	before := order.DeepCopy()
	change(order)
	if err := w.API.Patch(ctx, order, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("editing the order %s: %w", name, err)
	}
	return nil
}

// Step is a line of a script.
type Step func(ctx context.Context, w *World) error

// inTurn does one step after another.
func inTurn(ctx context.Context, w *World, steps ...Step) error {
	for _, step := range steps {
		if err := step(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// told is a script of steps.
func told(steps ...Step) func(ctx context.Context, w *World) error {
	return func(ctx context.Context, w *World) error { return inTurn(ctx, w, steps...) }
}

// order creates an order.
func order(name string, change ...func(*v1alpha1.EsimOrder)) Step {
	return func(ctx context.Context, w *World) error {
		_, err := w.Shop.Order(ctx, name, change...)
		return err
	}
}

// cancel sets spec.cancel.
func cancel(name string) Step {
	return func(ctx context.Context, w *World) error {
		return w.Edit(ctx, name, func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true })
	}
}

// remove deletes an order, and does not wait.
func remove(name string) Step {
	return func(ctx context.Context, w *World) error {
		if err := w.API.Delete(ctx, w.Shop.NewOrder(name)); err != nil {
			return fmt.Errorf("deleting the order %s: %w", name, err)
		}
		return nil
	}
}

// has waits until an order is so.
func has(name, what string, is func(*v1alpha1.EsimOrder) bool) Step {
	return func(ctx context.Context, w *World) error {
		return w.Until(ctx, name+" "+what, func(ctx context.Context) (bool, error) {
			order, err := w.Order(ctx, name)
			if err == nil && order == nil {
				err = errors.New("it is gone")
			}
			return err == nil && is(order), err
		})
	}
}

// becomes waits until an order is in a phase.
func becomes(name string, phase v1alpha1.OrderPhase) Step {
	return has(name, "is "+string(phase), func(o *v1alpha1.EsimOrder) bool { return o.Status.Phase == phase })
}

// shows waits until the order's Ready has a reason.
func shows(reason string) Step {
	return has("order", "shows "+reason, func(o *v1alpha1.EsimOrder) bool { return readyReason(o) == reason })
}

func readyReason(order *v1alpha1.EsimOrder) string {
	for _, condition := range order.Status.Conditions {
		if condition.Type == v1alpha1.ConditionReady {
			return condition.Reason
		}
	}
	return ""
}

// vanishes waits until an order is gone.
func vanishes(name string) Step {
	return func(ctx context.Context, w *World) error {
		return w.Until(ctx, name+" is gone", func(ctx context.Context) (bool, error) {
			order, err := w.Order(ctx, name)
			return err == nil && order == nil, err
		})
	}
}
