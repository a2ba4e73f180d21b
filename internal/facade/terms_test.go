package facade

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testdesk"
)

func TestTermsAreAsTheyWereLastHeardOf(t *testing.T) {
	of := func(namespace string, read v1alpha1.RequestsPerMinute) *v1alpha1.EsimClient {
		return &v1alpha1.EsimClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.ClientName},
			Spec:       v1alpha1.EsimClientSpec{RateLimits: &v1alpha1.RateLimits{Read: read}},
		}
	}
	known := newTerms(nil)
	for _, step := range []struct {
		name   string
		event  func()
		absent bool
		want   *v1alpha1.EsimClient
	}{
		{"before it has any", func() {}, true, nil},
		{"others' are not its own", func() { known.OnAdd(of("other", 1), true) }, true, nil},
		{"once it has some", func() { known.OnAdd(of("acme", 2), false) }, false, of("acme", 2)},
		{"changed", func() { known.OnUpdate(of("acme", 2), of("acme", 3)) }, false, of("acme", 3)},
		{"when others go", func() { known.OnDelete(of("other", 1)) }, false, of("acme", 3)},
		{"deleted", func() { known.OnDelete(of("acme", 3)) }, true, nil},
		{"made again", func() { known.OnAdd(of("acme", 4), false) }, false, of("acme", 4)},
		{"deleted unseen", func() {
			known.OnDelete(toolscache.DeletedFinalStateUnknown{Key: "acme/" + v1alpha1.ClientName})
		}, true, nil},
	} {
		step.event()
		var got v1alpha1.EsimClient
		err := known.Get(t.Context(), client.ObjectKey{Namespace: "acme", Name: v1alpha1.ClientName}, &got)
		if apierrors.IsNotFound(err) != step.absent || (err != nil) != step.absent {
			t.Errorf("%s: %v", step.name, err)
		}
		if step.want == nil {
			continue
		}
		if diff := cmp.Diff(*step.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestWhatIsNoTermsComesFromTheReader(t *testing.T) {
	api, err := testdesk.NewAPI(clocktesting.NewFakePassiveClock(metav1.Now().Time))
	if err != nil {
		t.Fatal(err)
	}
	wallet := &v1alpha1.EsimWallet{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "main"}}
	if err := api.Create(t.Context(), wallet); err != nil {
		t.Fatal(err)
	}
	var got v1alpha1.EsimWallet
	if err := newTerms(api).Get(t.Context(), client.ObjectKeyFromObject(wallet), &got); err != nil || got.Name != "main" {
		t.Errorf("got %q, %v", got.Name, err)
	}
}
