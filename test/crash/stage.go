package crash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/laggard"
	"github.com/telcodev/esim-operator/internal/lifeline"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// stage is a control plane for one world at a time: managers see all that is on it.
type stage struct {
	number int
	env    *testenv.Environment
	// identity is the managers', and machine a client of theirs.
	identity *rest.Config
	machine  client.Client
	worlds   int
}

// build brings up a control plane.
func build(ctx context.Context, number int) (*stage, error) {
	env, err := testenv.Start(ctx, testenv.Options{})
	if err != nil {
		return nil, fmt.Errorf("building a stage: %w", err)
	}
	s := &stage{number: number, env: env}
	if s.identity, err = env.ManagerConfig(); err != nil {
		return nil, errors.Join(err, env.Stop())
	}
	if s.machine, err = client.New(s.identity, client.Options{Scheme: env.Scheme}); err != nil {
		return nil, errors.Join(fmt.Errorf("building a stage: %w", err), env.Stop())
	}
	return s, nil
}

// quick is a manager that waits for nothing longer than it must.
func quick() manager.Config {
	config := manager.DefaultConfig()
	config.LeaderElection.Enabled = false
	config.MetricsBindAddress, config.HealthProbeBindAddress = "0", "0"
	config.Workers = 16
	config.Pace.Transient = backoff(10*time.Millisecond, 200*time.Millisecond)
	config.Pace.Scarce = backoff(10*time.Millisecond, 200*time.Millisecond)
	config.Pace.Misconfigured = backoff(10*time.Millisecond, 200*time.Millisecond)
	config.ProbeInterval = metav1.Duration{Duration: 500 * time.Millisecond}
	config.Breaker.Failures = 100
	return config
}

func backoff(initial, most time.Duration) controllers.Backoff {
	return controllers.Backoff{Initial: metav1.Duration{Duration: initial}, Max: metav1.Duration{Duration: most}}
}

// overlap is for how long a second manager reckons with what the first, which is held, writes late:
// longer than it is held. A manager that was stopped writes nothing any more.
const overlap = 3 * longestHold

// longestLag is how long a cache that lags holds back what nothing follows.
const longestLag = 300 * time.Millisecond

// employ starts a manager that talks to the world through line, as a disturbance has it: with a
// cache that lags, or while another may still be at work. It returns how to dismiss it.
func (w *World) employ(ctx context.Context, story Story, line *lifeline.Line, d Disturbance) (dismiss func() error, err error) {
	config := quick()
	if story.Config != nil {
		story.Config(w, &config)
	}
	line.Rename(w.alias)
	options := manager.Options{
		Writer: line.Writer, Live: line.Reader, SkipNameValidation: true, AfterPass: w.passed,
		WrapTransport: func(inner http.RoundTripper) http.RoundTripper { return w.eavesdrop(line.Transport(inner)) },
		Overlap:       time.Nanosecond,
	}
	if d.Lag > 0 {
		options.NewInformer = laggard.Lag{Events: d.Lag, Longest: longestLag}.NewInformer
	}
	if d.Moment == lifeline.Held {
		options.Overlap = overlap
	}
	if story.Options != nil {
		story.Options(w, line, &options)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	mgr, err := manager.New(ctx, w.stage.identity, config, options)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("making a manager: %w", err)
	}
	also := func() error { return nil }
	if story.Beside != nil {
		if also, err = story.Beside(ctx, w, line); err != nil {
			cancel()
			return nil, fmt.Errorf("starting what is beside the manager: %w", err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	return func() error {
		cancel()
		if err := errors.Join(also(), <-ended); err != nil {
			return fmt.Errorf("dismissing a manager: %w", err)
		}
		return nil
	}, nil
}

// open makes the world of a story.
func (s *stage) open(ctx context.Context, story Story) (*World, error) {
	s.worlds++
	w := &World{
		Name: fmt.Sprintf("w%d-%d", s.number, s.worlds), API: s.env.Client, stage: s,
		also: map[string]func(context.Context) (any, error){}, matchingIDs: map[string]bool{},
	}
	var err error
	if w.Shop, err = testshop.Open(ctx, w.API, w.Name, story.Shop); err != nil {
		return nil, err
	}
	w.Closing(w.Shop.Close)
	w.sells(w.Shop)
	w.Secret(w.overheard)
	if story.Known {
		err = w.know(ctx)
	}
	if err == nil && story.Open != nil {
		err = story.Open(ctx, w)
	}
	if err != nil {
		return nil, errors.Join(err, w.close(ctx))
	}
	return w, nil
}

// sells has the world know an SM-DP+.
func (w *World) sells(shop *testshop.Shop) {
	dropped := func() (n int) {
		for _, entry := range shop.SMDP.Ledger() {
			if entry.Function == es2plus.DownloadOrder && entry.AnswerDropped {
				n++
			}
		}
		return n
	}
	w.sellers = append(w.sellers, seller{
		name: shop.Name, bought: shop.Bought, stranded: shop.Stranded, dropped: dropped, address: testshop.SMDPAddress,
		live: func(c credentials) bool { return shop.SMDP.HasMatchingID(c.iccid, c.code.MatchingID) },
	})
}

// know lets the operator's status say what an earlier order would have taught.
func (w *World) know(ctx context.Context) error {
	operator := &v1alpha1.EsimOperator{}
	if err := w.API.Get(ctx, client.ObjectKey{Name: w.Name}, operator); err != nil {
		return fmt.Errorf("reading the operator: %w", err)
	}
	operator.Status.SMDPAddress, operator.Status.SMDPAddressGeneration = testshop.SMDPAddress, operator.Generation
	if err := w.API.Status().Update(ctx, operator); err != nil {
		return fmt.Errorf("teaching the operator's address: %w", err)
	}
	return nil
}

// close ends the world, and leaves the stage empty for the next.
func (w *World) close(ctx context.Context) error {
	var errs []error
	for i := len(w.closing) - 1; i >= 0; i-- {
		errs = append(errs, w.closing[i]())
	}
	return errors.Join(append(errs, w.stage.sweep(ctx, w.Name))...)
}

// sweep removes what a story left, as nothing but a manager may.
func (s *stage) sweep(ctx context.Context, namespace string) error {
	var errs []error
	lists := []client.ObjectList{
		&v1alpha1.EsimOrderList{}, &v1alpha1.EsimWalletList{}, &v1alpha1.EsimClientList{}, &v1alpha1.EsimProductList{},
		&v1alpha1.EsimOperatorList{},
	}
	for _, list := range lists {
		errs = append(errs, s.discard(ctx, list))
	}
	errs = append(errs, s.discard(ctx, &corev1.SecretList{}, client.InNamespace(namespace)),
		s.discard(ctx, &corev1.SecretList{}, client.InNamespace(testenv.SystemNamespace)))
	events := s.env.Client.DeleteAllOf(ctx, &eventsv1.Event{}, client.InNamespace(namespace))
	elsewhere := s.env.Client.DeleteAllOf(ctx, &eventsv1.Event{}, client.InNamespace(metav1.NamespaceDefault))
	if err := errors.Join(append(errs, events, elsewhere)...); err != nil {
		return fmt.Errorf("sweeping the stage: %w", err)
	}
	return nil
}

// discard deletes all objects of a list, whatever holds them.
func (s *stage) discard(ctx context.Context, list client.ObjectList, o ...client.ListOption) error {
	if err := s.env.Client.List(ctx, list, o...); err != nil {
		return fmt.Errorf("listing what is left: %w", err)
	}
	return meta.EachListItem(list, func(item runtime.Object) error {
		object, ok := item.(client.Object)
		if !ok {
			return fmt.Errorf("%T is no object", item)
		}
		if len(object.GetFinalizers()) > 0 {
			if err := s.letGo(ctx, object); err != nil {
				return err
			}
		}
		c := s.env.Client
		if secret, ok := object.(*corev1.Secret); ok && secret.Type == v1alpha1.ActivationSecretType {
			c = s.machine
		}
		return client.IgnoreNotFound(c.Delete(ctx, object))
	})
}

// letGo removes an object's finalizers, as the manager, which may update Secrets and not patch
// them, and patch orders and not update them.
func (s *stage) letGo(ctx context.Context, object client.Object) error {
	before, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("%T is no object", object)
	}
	object.SetFinalizers(nil)
	var err error
	if _, ok := object.(*corev1.Secret); ok {
		err = s.machine.Update(ctx, object)
	} else {
		err = s.machine.Patch(ctx, object, client.MergeFrom(before))
	}
	if err := client.IgnoreNotFound(err); err != nil {
		return fmt.Errorf("letting go of %T %s: %w", object, object.GetName(), err)
	}
	return nil
}
