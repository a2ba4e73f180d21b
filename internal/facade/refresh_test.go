package facade_test

import (
	"context"
	"net/http"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// orderOf is an order as the API server has it.
func orderOf(ctx context.Context, namespace string) *v1alpha1.EsimOrder {
	GinkgoHelper()
	var list v1alpha1.EsimOrderList
	Expect(env.Client.List(ctx, &list, client.InNamespace(namespace))).To(Succeed())
	Expect(list.Items).To(HaveLen(1))
	return &list.Items[0]
}

// answerRefreshes acts on requests for a refresh of a client's order, as the controller does of
// one whose operator can be asked, and tells what was asked for, in turn.
func answerRefreshes(ctx context.Context, order *v1alpha1.EsimOrder) (asked func() []string) {
	GinkgoHelper()
	watching, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Scheme})
	Expect(err).NotTo(HaveOccurred())
	watched, err := watching.Watch(ctx, &v1alpha1.EsimOrderList{}, client.InNamespace(order.Namespace))
	Expect(err).NotTo(HaveOccurred())
	var mu sync.Mutex
	var all []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer GinkgoRecover()
		for event := range watched.ResultChan() {
			seen, ok := event.Object.(*v1alpha1.EsimOrder)
			if !ok || seen.UID != order.UID || seen.Annotations[v1alpha1.RefreshAnnotation] == seen.Status.Activation.Refreshed {
				continue
			}
			now := metav1.Now()
			seen.Status.Activation.Refreshed = seen.Annotations[v1alpha1.RefreshAnnotation]
			seen.Status.Activation.RefreshedTime = &now
			err := env.Client.Status().Update(ctx, seen)
			if apierrors.IsConflict(err) {
				continue // the watch shows what was written meanwhile
			}
			Expect(err).NotTo(HaveOccurred())
			mu.Lock()
			all = append(all, seen.Status.Activation.Refreshed)
			mu.Unlock()
		}
	}()
	DeferCleanup(func() { watched.Stop(); <-done })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), all...)
	}
}

var _ = Describe("Reading a delivered order", func() {
	It("has its operator asked once, however many read it at however many replicas", func(ctx SpecContext) {
		shop, caller := newShop(ctx, "rest-refresh", testshop.Options{})
		made := caller.post("/api/v1/esim/orders", map[string]any{"product_id": productOf(caller, shop), "amount": 4.5}).object()
		path := orderPath(made)
		readonly := newToken(ctx, "rest-refresh", "support", "esim-client-readonly")

		By("reading it where the operator cannot be asked, which costs no write")
		before := orderOf(ctx, "rest-refresh")
		Expect(caller.get(path).object()).NotTo(HaveKey("refreshed_at"))
		Expect(orderOf(ctx, "rest-refresh").ResourceVersion).To(Equal(before.ResourceVersion))

		asked := answerRefreshes(ctx, before)
		Expect(retry.RetryOnConflict(retry.DefaultRetry, func() error {
			before = orderOf(ctx, "rest-refresh")
			before.Status.Activation.RefreshInterval = &metav1.Duration{Duration: time.Minute}
			return env.Client.Status().Update(ctx, before)
		})).To(Succeed())
		// Both replicas have to know that it can be asked.
		Eventually(func() []string {
			var wait sync.WaitGroup
			for i := range 100 {
				wait.Go(func() {
					defer GinkgoRecover()
					there := caller.at(replicas[i%2])
					if i%10 == 0 {
						there.token = readonly
					}
					answer := there.get(path)
					Expect(answer.status).To(Equal(http.StatusOK), string(answer.body))
				})
			}
			wait.Wait()
			return asked()
		}).Should(HaveLen(1))
		for _, replica := range replicas {
			Eventually(func() map[string]any { return caller.at(replica).get(path).object() }).Should(HaveKey("refreshed_at"))
		}
		Expect(asked()).To(HaveLen(1), "the interval is not over")

		order := &v1alpha1.EsimOrder{}
		Expect(env.Client.Get(ctx, types.NamespacedName{Namespace: before.Namespace, Name: before.Name}, order)).To(Succeed())
		at, err := time.Parse(time.RFC3339Nano, order.Annotations[v1alpha1.RefreshAnnotation])
		Expect(err).NotTo(HaveOccurred())
		Expect(at).To(BeTemporally("~", time.Now(), time.Minute))
	})
})
