package shard

import (
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func TestALeaseIsOverOnceItWasSeenUnchangedForLongerThanItLasts(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Now())
	l := lives{clock: clock, missing: 20 * time.Second}
	lease := func(version, holder string) *coordinationv1.Lease {
		return &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{ResourceVersion: version},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: ptr.To[int32](15)},
		}
	}
	for _, look := range []struct {
		after time.Duration
		lease *coordinationv1.Lease
		over  bool
		why   string
	}{
		{0, lease("1", "x"), false, "what it says of its age is another machine's clock"},
		{16 * time.Second, lease("1", "x"), false, "clocks run at different speeds"},
		{time.Second, lease("2", "x"), false, "it was renewed"},
		{17 * time.Second, lease("2", "x"), true, "it has run out"},
		{0, lease("3", "x"), false, "it lives again"},
		{0, lease("4", ""), true, "it was let go"},
		{0, lease("5", "y"), false, "another holds it"},
		{0, nil, false, "it was deleted, perhaps under its holder"},
		{21 * time.Second, nil, false, "its holder may make it anew"},
		{time.Second, nil, true, "nobody has made it anew"},
	} {
		clock.SetTime(clock.Now().Add(look.after))
		if over := l.over("other", look.lease); over != look.over {
			t.Fatalf("over is %t; %s", over, look.why)
		}
	}
}

func TestNamespacesThatNobodyWorksInAreNamed(t *testing.T) {
	claim := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
		Namespace: system, Name: ClaimName("theirs"), Labels: map[string]string{ClaimLabel: "theirs"},
	}}
	api := fake.NewClientBuilder().WithScheme(leasesAndNamespaces).WithObjects(claim).Build()
	s := New(Config{Name: "a", Namespace: system, Selector: labels.Everything(), Live: api, Clock: clocktesting.NewFakeClock(time.Now())})
	close(s.cleared)
	for _, namespace := range []string{"ours", "theirs", "nobodys"} {
		if _, ok := s.Enter(t.Context(), namespace); ok {
			t.Fatalf("a pass began in %s, which was not taken", namespace)
		}
	}
	s.turn("ours", true)
	named, err := s.unclaimed(t.Context())
	if diff := cmp.Diff([]string{"nobodys"}, named); err != nil || diff != "" {
		t.Fatalf("%v -want +got:\n%s", err, diff)
	}
}

func TestANamespaceThatIsGoneIsForgotten(t *testing.T) {
	api := fake.NewClientBuilder().WithScheme(leasesAndNamespaces).Build()
	s := New(Config{
		Name: "a", Namespace: system, Selector: labels.Everything(), Namespaces: api, Live: api, Writer: api,
		Clock: clocktesting.NewFakeClock(time.Now()), Log: logr.Discard(),
	})
	close(s.cleared)
	if _, ok := s.Enter(t.Context(), "gone"); ok {
		t.Fatal("a pass began in a namespace that does not exist")
	}
	// It may be queued again after it was dropped: its last event came late.
	for range 2 {
		if again := s.look(t.Context(), "gone"); again != 0 {
			t.Fatalf("it is looked at again after %s", again)
		}
		if len(s.places) != 0 {
			t.Fatalf("%d places are remembered", len(s.places))
		}
	}
}
