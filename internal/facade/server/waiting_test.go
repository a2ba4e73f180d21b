package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/server"
	"github.com/telcodev/esim-operator/internal/ids"
)

// secrets shows the Secret of each order whose UID is its name.
type secrets struct{ client.Reader }

func (secrets) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	secret, ok := object.(*corev1.Secret)
	if !ok {
		return fmt.Errorf("%T is no Secret", object)
	}
	order := strings.TrimSuffix(key.Name, "-activation")
	secret.OwnerReferences = []metav1.OwnerReference{{UID: types.UID(order)}}
	secret.Type = v1alpha1.ActivationSecretType
	secret.Data = map[string][]byte{v1alpha1.SecretKeyActivationCode: []byte("LPA:1$rsp.example.com$" + strings.ToUpper(order))}
	return nil
}

// waitingOrder is a client's i-th order at a version.
func waitingOrder(i int, version string, phase v1alpha1.OrderPhase) *v1alpha1.EsimOrder {
	order := &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: ids.OrderName(int64(i + 1)), ResourceVersion: version}}
	order.UID, order.Status.Phase = types.UID(order.Name), phase
	order.Spec.ProductRef.Name = "japan"
	return order
}

func TestFiveThousandRequestsWaitAtOnceAndNoneIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const waiting = 5000
		s := newShop(t, func(s *server.Server) { s.Live = secrets{} })
		var answered atomic.Int64
		var group sync.WaitGroup
		began := time.Now()
		for i := range waiting {
			s.server.Desk.Index.OnAdd(waitingOrder(i, "10", v1alpha1.PhasePending), false)
			group.Go(func() {
				request := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/api/v1/esim/orders/%d", i+1), http.NoBody)
				request.Header.Set("Prefer", "wait=60")
				answer := httptest.NewRecorder()
				s.http.ServeHTTP(answer, request)
				answered.Add(1)
				code := fmt.Sprintf(`"activation_code":"LPA:1$rsp.example.com$O-%d"`, i+1)
				if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), code) {
					t.Errorf("request %d is answered %d %s", i, answer.Code, answer.Body)
				}
			})
		}
		synctest.Wait()
		if n := answered.Load(); n != 0 {
			t.Fatalf("%d were answered before any order was delivered", n)
		}
		for i := range waiting {
			s.server.Desk.Index.OnUpdate(nil, waitingOrder(i, "11", v1alpha1.PhaseDelivered))
		}
		group.Wait()
		if took := time.Since(began); took != 0 {
			t.Errorf("the last was answered %s after its order's delivery", took)
		}
	})
}
