package fairqueue

import (
	"fmt"
	"testing"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// BenchmarkQueue is what a request costs from Add to Done with 10,000 waiting, here and in
// controller-runtime's own queue.
func BenchmarkQueue(b *testing.B) {
	for name, begin := range map[string]func() workqueue.TypedRateLimitingInterface[reconcile.Request]{
		"fair": func() workqueue.TypedRateLimitingInterface[reconcile.Request] { return newQueue() },
		"controller-runtime": func() workqueue.TypedRateLimitingInterface[reconcile.Request] {
			return priorityqueue.New[reconcile.Request]("")
		},
	} {
		for _, clients := range []int{1, 1000} {
			b.Run(fmt.Sprintf("%s/clients=%d", name, clients), func(b *testing.B) {
				q := begin()
				defer q.ShutDown()
				all := requests(clients)
				for _, r := range all {
					q.Add(r)
				}
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					got, _ := q.Get()
					q.Done(got)
					q.Add(got)
				}
			})
		}
	}
}

func requests(clients int) []reconcile.Request {
	all := []reconcile.Request{}
	for i := range 10_000 {
		all = append(all, request(fmt.Sprintf("client-%d", i%clients), fmt.Sprintf("order-%d", i)))
	}
	return all
}
