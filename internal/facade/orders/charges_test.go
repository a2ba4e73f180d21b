package orders

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

func TestAChargeThatCannotBeReadHidesTheSumUntilItIsGone(t *testing.T) {
	index := &Index{}
	wallet := &v1alpha1.EsimWallet{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "main", UID: "main"}}
	charged := func(i int, amount v1alpha1.Amount) *v1alpha1.EsimOrder {
		order := numbered(i)
		order.Status.Charge = &v1alpha1.OrderCharge{WalletUID: "main", Amount: amount, TransactionID: int64(4 * i), Time: order.CreationTimestamp}
		index.OnAdd(order, true)
		return order
	}
	charged(1, "4.5")
	broken := charged(2, "a lot")
	if sum, err := index.Entries(wallet).Net(); !errors.Is(err, ErrUnreadable) {
		t.Errorf("the sum is %s, %v", sum, err)
	}
	index.OnDelete(broken)
	if sum, err := index.Entries(wallet).Net(); err != nil || sum.String() != "-4.5" {
		t.Errorf("the sum is %s, %v", sum, err)
	}
}
