package shard

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/leader"
)

// ClusterScope stands for what is in no namespace: operators, products and catalogues.
const ClusterScope = ""

const (
	// lookAgain is how soon a manager looks again at what another still holds.
	lookAgain = time.Second
	// unclaimedInterval is how often a manager looks for namespaces that nobody works in.
	unclaimedInterval = 30 * time.Second
	// looksAtOnce is how many namespaces are taken or left in parallel.
	looksAtOnce = 8
)

// Config of a Shard.
type Config struct {
	// Name of the shard: that of the lease by which its managers choose their leader.
	Name string
	// Namespace of that lease and of all claims: the managers' own.
	Namespace string
	// LeaseDuration of the shard's own lease. It stands in where another shard's lease is missing.
	LeaseDuration time.Duration
	// Selector of the namespaces to work in; nil for all, by a manager that shares with nobody.
	Selector labels.Selector
	// Namespaces reads the metadata of namespaces from a cache; not used without a Selector.
	Namespaces client.Reader
	// Live reads leases from the API server.
	Live client.Reader
	// Writer writes claims, with the deadline that Fence counts on.
	Writer client.Client
	// Fence of the shard's own lease.
	Fence *leader.Fence
	// Clock tells how long a lease has been unchanged.
	Clock clock.WithTicker
	// Log of what is taken and left.
	Log logr.Logger
	// Forget, where set, drops what is known of a namespace. It is called while nobody is in there:
	// another shard has worked in it, or will.
	Forget func(ctx context.Context, namespace string) error
}

// Shard is the part of all clients that this process works for while it leads. A nil Shard is
// everything.
type Shard struct {
	Config
	lives   lives
	queue   workqueue.TypedDelayingInterface[string]
	cleared chan struct{}

	mu      sync.Mutex
	places  map[string]*place
	onTaken []func(ctx context.Context, namespace string)
}

// state of a place.
type state int

const (
	// foreign: another shard's, or nobody's.
	foreign state = iota
	// held by a claim: passes may enter.
	held
	// leaving: held, but nobody may enter any more.
	leaving
	// letting go of the claim: it may be gone already.
	letting
)

// place is a namespace as this process knows it, or ClusterScope.
type place struct {
	state state
	// selected as it was when it was last looked at.
	selected bool
	// holder is the other shard that holds it; empty where none does, or nobody looked.
	holder string
	// inside counts the passes that are under way.
	inside int
}

// New makes a Shard, which takes nothing before it is started.
func New(config Config) *Shard {
	return &Shard{
		Config: config, cleared: make(chan struct{}), places: map[string]*place{},
		lives: lives{clock: config.Clock, missing: config.LeaseDuration},
		queue: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[string]{Clock: config.Clock}),
	}
}

// divides tells whether clients are divided at all.
func (s *Shard) divides() bool { return s != nil && s.Selector != nil }

// Divided tells whether other managers may work for other clients.
func (s *Shard) Divided() bool { return s.divides() }

// OnTaken has a function called with each namespace that was taken: what was turned away before
// is to be looked at now. It is called again where a namespace was nearly left.
func (s *Shard) OnTaken(taken func(ctx context.Context, namespace string)) {
	if !s.divides() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onTaken = append(s.onTaken, taken)
}

// Enter asks whether a pass may work in a namespace. leave must be called once it has ended. Where
// ok is false the pass is to do nothing: the namespace is another's, or will be taken, and OnTaken
// tells. It waits only while a manager that would be in the way everywhere is at work.
func (s *Shard) Enter(ctx context.Context, namespace string) (leave func(), ok bool) {
	if s == nil {
		return func() {}, true
	}
	select {
	case <-s.cleared:
	case <-ctx.Done():
		return nil, false
	}
	if !s.divides() {
		return func() {}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.places[namespace]
	if !known {
		p = &place{}
		s.places[namespace] = p
		s.queue.Add(namespace)
	}
	if p.state != held {
		return nil, false
	}
	p.inside++
	return sync.OnceFunc(func() { s.leave(namespace, p) }), true
}

func (s *Shard) leave(namespace string, p *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.inside--
	if p.inside == 0 && p.state == leaving {
		s.queue.Add(namespace)
	}
}

// Changed has a namespace looked at anew whose labels changed, that is new, or that is gone.
func (s *Shard) Changed(namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.places[namespace]; known {
		s.queue.Add(namespace)
	}
}

// NeedLeaderElection keeps a standby from taking anything.
func (*Shard) NeedLeaderElection() bool { return true }

// Start takes and leaves namespaces until ctx ends. It leaves none then: the shard's next leader
// takes them over.
func (s *Shard) Start(ctx context.Context) error {
	defer s.queue.ShutDown()
	if !s.clear(ctx) {
		return nil
	}
	if !s.divides() {
		return nil
	}
	var workers sync.WaitGroup
	for range looksAtOnce {
		workers.Go(func() { s.work(ctx) })
	}
	s.watchUnclaimed(ctx)
	s.queue.ShutDown()
	workers.Wait()
	return nil
}

// clear waits until no manager is at work that would be in the way everywhere. It returns false
// where ctx ended before.
func (s *Shard) clear(ctx context.Context) bool {
	ticker := s.Clock.NewTicker(lookAgain)
	defer ticker.Stop()
	told := ""
	for {
		rival, err := s.rival(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			s.Log.Error(err, "Looking for managers that work in the same namespaces")
		case err == nil && rival == "":
			blocked.Set(0)
			close(s.cleared)
			return true
		case err == nil && rival != told:
			s.Log.Error(nil, "Another manager works in the same namespaces; this one waits until it has stopped: "+
				"either one manager works in all namespaces, or each has a namespaceSelector", "lease", rival)
			told = rival
			blocked.Set(1)
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C():
		}
	}
}

// work looks at namespaces, one after the other.
func (s *Shard) work(ctx context.Context) {
	for {
		namespace, ended := s.queue.Get()
		if ended {
			return
		}
		if again := s.look(ctx, namespace); again > 0 {
			s.queue.AddAfter(namespace, again)
		}
		s.queue.Done(namespace)
	}
}

// selects tells whether a namespace is to be worked in. One that does not exist is not.
func (s *Shard) selects(ctx context.Context, namespace string) (selected, exists bool, err error) {
	if namespace == ClusterScope {
		return true, true, nil
	}
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(namespaceKind)
	err = s.Namespaces.Get(ctx, client.ObjectKey{Name: namespace}, metadata)
	if client.IgnoreNotFound(err) != nil {
		return false, false, err
	}
	return err == nil && s.Selector.Matches(labels.Set(metadata.Labels)), err == nil, nil
}
