package shard

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

const (
	system        = "esim-system"
	leaseDuration = 15 * time.Second
	// fenceOpen is how long after a renewal a leader may do what only a leader may.
	fenceOpen = 10 * time.Second
)

// process is a leader of a shard, and what it has under way.
type process struct {
	*Shard
	renewed time.Time
	leaves  []func()
	inside  map[string]int
}

// cluster is an API server and the leaders that use it.
type cluster struct {
	t         *rapid.T
	api       client.WithWatch
	clock     *clocktesting.FakeClock
	selectors map[string]string
	leaders   map[string]*process
	// depth bounds how many looks are made in the middle of others.
	depth int
	// looks are who looks at a namespace now, the innermost last.
	looks []*process
}

var leasesAndNamespaces = runtime.NewScheme()

func init() {
	utilruntime.Must(coordinationv1.AddToScheme(leasesAndNamespaces))
	utilruntime.Must(corev1.AddToScheme(leasesAndNamespaces))
}

var (
	everywhere = []string{"acme", ClusterScope}
	shards     = []string{"a", "b"}
)

var (
	errLost   = errors.New("the answer was lost")
	errFenced = errors.New("the process may not be the leader any more")
)

func newCluster(t *rapid.T) *cluster {
	c := &cluster{
		t: t, clock: clocktesting.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), leaders: map[string]*process{},
		// A namespace labelled "both" is selected by both.
		selectors: map[string]string{"a": "shard in (a,both)", "b": "shard in (b,both)"},
	}
	c.api = fake.NewClientBuilder().WithScheme(leasesAndNamespaces).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, api client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return c.disturbed(o, func() error { return api.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, api client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return c.disturbed(o, func() error { return api.Update(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, api client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return c.disturbed(o, func() error { return api.Delete(ctx, o, opts...) })
		},
	}).Build()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme", Labels: map[string]string{"shard": "both"}}}
	if err := c.api.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return c
}

// disturbed makes a write of a claim after others may have come first, and may lose its answer.
func (c *cluster) disturbed(o client.Object, write func() error) error {
	if _, claim := o.GetLabels()[ClaimLabel]; !claim {
		return write()
	}
	if c.depth < 2 && rapid.Bool().Draw(c.t, "others come first") {
		c.depth++
		for range rapid.IntRange(1, 8).Draw(c.t, "steps of others") {
			c.step()
		}
		c.depth--
	}
	if writer := c.looks[len(c.looks)-1]; !c.leads(writer) {
		return errFenced // the fence lets nothing leave any more
	}
	err := write()
	if err == nil && rapid.IntRange(0, 5).Draw(c.t, "the answer is lost") == 0 {
		return errLost
	}
	return err
}

// leads tells whether a process may do what only a leader may.
func (c *cluster) leads(p *process) bool { return c.clock.Since(p.renewed) < fenceOpen }

func (c *cluster) someShard() string {
	return rapid.SampledFrom(shards).Draw(c.t, "shard")
}

func (c *cluster) someNamespace() string {
	return rapid.SampledFrom(everywhere).Draw(c.t, "namespace")
}

// elect starts a leader of a shard once the one before is over for sure.
func (c *cluster) elect() { c.lead(c.someShard()) }

func (c *cluster) lead(name string) {
	if p := c.leaders[name]; p != nil && c.clock.Since(p.renewed) < leaseDuration+grace {
		return
	}
	selector, err := labels.Parse(c.selectors[name])
	if err != nil {
		c.t.Fatal(err)
	}
	p := &process{inside: map[string]int{}, Shard: New(Config{
		Name: name, Namespace: system, LeaseDuration: leaseDuration, Selector: selector,
		Namespaces: c.api, Live: c.api, Writer: c.api, Clock: c.clock, Log: logr.Discard(),
	})}
	close(p.cleared)
	c.leaders[name] = p
	c.renewLease(p)
}

// renew renews a lease, unless it has run out: then its holder ends.
func (c *cluster) renew() {
	name := c.someShard()
	p := c.leaders[name]
	switch {
	case p == nil:
	case c.clock.Since(p.renewed) >= leaseDuration:
		delete(c.leaders, name)
	default:
		c.renewLease(p)
	}
}

// stop ends a leader that lets go of its lease.
func (c *cluster) stop() {
	name := c.someShard()
	p := c.leaders[name]
	if p == nil || !c.leads(p) {
		return
	}
	for _, leave := range p.leaves {
		leave()
	}
	delete(c.leaders, name)
	c.writeLease(name, "")
}

func (c *cluster) renewLease(p *process) {
	p.renewed = c.clock.Now()
	c.writeLease(p.Name, p.Name+"-leader")
}

func (c *cluster) writeLease(name, holder string) {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: name}}
	err := c.api.Get(c.t.Context(), client.ObjectKeyFromObject(lease), lease)
	lease.Spec = coordinationv1.LeaseSpec{
		HolderIdentity: &holder, LeaseDurationSeconds: ptr.To(int32(leaseDuration / time.Second)),
		RenewTime: ptr.To(metav1.NewMicroTime(c.clock.Now())),
	}
	if err == nil {
		err = c.api.Update(c.t.Context(), lease)
	} else {
		err = c.api.Create(c.t.Context(), lease)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// relabel changes which shards select a namespace.
func (c *cluster) relabel() {
	label := rapid.SampledFrom([]string{"a", "b", "both", "both", "none"}).Draw(c.t, "label")
	var now corev1.Namespace
	if err := c.api.Get(c.t.Context(), client.ObjectKey{Name: "acme"}, &now); err != nil {
		c.t.Fatal(err)
	}
	now.Labels = map[string]string{"shard": label}
	if err := c.api.Update(c.t.Context(), &now); err != nil {
		c.t.Fatal(err)
	}
}

// look has a leader look at a namespace. A process that does not lead for sure looks too, and its
// writes do not pass the fence: so it is left out.
func (c *cluster) look() {
	p, namespace := c.leaders[c.someShard()], c.someNamespace()
	if p == nil || !c.leads(p) || p.looking(namespace) {
		return
	}
	if leave, ok := p.Enter(c.t.Context(), namespace); ok { // so that it knows the namespace
		leave()
	}
	p.inside["looking "+namespace]++
	c.looks = append(c.looks, p)
	p.Shard.look(c.t.Context(), namespace)
	c.looks = c.looks[:len(c.looks)-1]
	p.inside["looking "+namespace]--
}

// looking tells whether a look is under way: the queue has no two at one time.
func (p *process) looking(namespace string) bool { return p.inside["looking "+namespace] > 0 }

// enter has a leader make a pass.
func (c *cluster) enter() {
	p, namespace := c.leaders[c.someShard()], c.someNamespace()
	if p == nil {
		return
	}
	if leave, ok := p.Enter(c.t.Context(), namespace); ok {
		p.inside[namespace]++
		p.leaves = append(p.leaves, func() { p.inside[namespace]--; leave() })
	}
}

// leave ends the pass that began first.
func (c *cluster) leave() {
	p := c.leaders[c.someShard()]
	if p != nil && len(p.leaves) > 0 {
		p.leaves[0]()
		p.leaves = p.leaves[1:]
	}
}

func (c *cluster) wait() {
	c.clock.Step(time.Duration(rapid.IntRange(1, 9).Draw(c.t, "seconds")) * time.Second)
}

// holder is the one shard that works, or may begin to work, in a namespace, of all whose leaders
// lead for sure. Two fail the test.
func (c *cluster) holder(namespace string) string {
	var at []string
	for name, p := range c.leaders {
		p.mu.Lock()
		place := p.places[namespace]
		works := place != nil && (place.state == held || p.inside[namespace] > 0)
		p.mu.Unlock()
		if works && c.leads(p) {
			at = append(at, name)
		}
	}
	if len(at) > 1 {
		c.t.Fatalf("shards %v work in namespace %q", at, namespace)
	}
	return strings.Join(at, "")
}

// step is anything that may happen.
func (c *cluster) step() {
	rapid.SampledFrom([]func(){
		c.elect, c.elect, c.renew, c.renew, c.stop, c.stop, c.relabel, c.relabel,
		c.look, c.look, c.look, c.look, c.enter, c.enter, c.leave, c.wait,
	}).Draw(c.t, "step")()
}

func TestNoTwoShardsWorkInOneNamespace(t *testing.T) {
	changes := 0
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(t)
		holders := map[string]string{}
		for _, name := range shards {
			c.lead(name)
		}
		for range rapid.IntRange(100, 400).Draw(t, "steps") {
			c.step()
			for _, namespace := range everywhere {
				if holder := c.holder(namespace); holder != "" && holders[namespace] != holder {
					changes++
					holders[namespace] = holder
				}
			}
		}
	})
	if changes < 200 {
		t.Errorf("a namespace changed hands %d times in all histories: the test shows nothing", changes)
	}
}

func ExampleClaimName() {
	fmt.Println(ClaimName("acme"), ClaimName(ClusterScope))
	// Output: esim-claim.acme esim-claim
}
