package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/plugin/story"
)

// errGone says that the order that is followed was deleted.
var errGone = errors.New("the order was deleted")

// rewatch is how long a follower rests before it watches again, after a watch that ended.
const rewatch = 500 * time.Millisecond

// follow calls seen with the order as it is and as it becomes, until seen is done with it, the
// context ends or the order is gone. Watches that end are begun anew.
func (p *plugin) follow(ctx context.Context, s *session, name string, seen func(*v1alpha1.EsimOrder) (done bool)) error {
	for {
		order, err := s.order(ctx, name)
		if apierrors.IsNotFound(err) {
			return errGone
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if seen(order) {
			return nil
		}
		done, err := p.watch(ctx, s, order, seen)
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.Clock.After(rewatch):
		}
	}
}

// watch is one watch of follow. It is not done when the API server ended it, as it may at any
// time.
func (p *plugin) watch(ctx context.Context, s *session, order *v1alpha1.EsimOrder, seen func(*v1alpha1.EsimOrder) bool) (done bool, err error) {
	options := &client.ListOptions{
		Namespace: order.Namespace, FieldSelector: fields.OneTermEqualSelector("metadata.name", order.Name),
	}
	options.Raw = options.AsListOptions()
	options.Raw.ResourceVersion = order.ResourceVersion
	watcher, err := s.Watch(ctx, &v1alpha1.EsimOrderList{}, options)
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return false, nil
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		return false, s.explain(ctx, err, s.orderCall("follow the order "+order.Name, "watch", order.Name, roleOrdersView))
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		now, ok := event.Object.(*v1alpha1.EsimOrder)
		switch {
		case event.Type == watch.Deleted:
			return true, errGone
		case !ok:
			return false, nil // an error such as 410 Gone: what is true now is read again
		case now.UID != order.UID:
			return true, errGone
		case seen(now):
			return true, nil
		}
	}
	return false, ctx.Err()
}

// progress prints, for people, each turn that an order takes while it is followed.
type progress struct {
	out   io.Writer
	now   func() time.Time
	begun time.Time
	last  string
}

func (p *plugin) progress() *progress {
	return &progress{out: p.ErrOut, now: p.Clock.Now, begun: p.Clock.Now()}
}

// show prints where the order stands, if that is news.
func (p *progress) show(order *v1alpha1.EsimOrder) error {
	text := story.Brief(order)
	if operator := order.Status.Provisioning; operator != nil && !order.Terminal() {
		text += " (" + operator.OperatorRef.Name + ")"
	}
	if text == p.last {
		return nil
	}
	p.last = text
	return flush(p.out, fmt.Sprintf("%6s  %s\n", p.now().Sub(p.begun).Round(100*time.Millisecond), text))
}

// waited puts the end of waiting in words: the order itself goes on.
func (s *session) waited(err error, name string, timeout time.Duration) error {
	on := fmt.Sprintf("the order goes on without you; see how: kubectl esim describe %s -n %s", name, s.namespace)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("not done within %s; %s", timeout, on)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("you stopped waiting; %s", on)
	case errors.Is(err, errGone):
		return fmt.Errorf("order %s was deleted while you waited", name)
	default:
		return err
	}
}
