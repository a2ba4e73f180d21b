package orders

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// BenchmarkEntries is what the entries of a page cost, by how many orders the wallet paid for.
func BenchmarkEntries(b *testing.B) {
	for _, count := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			index := &Index{}
			for i := range count {
				order := numbered(i)
				order.Status.Charge = &v1alpha1.OrderCharge{WalletUID: "main", TransactionID: int64(4 * i), Time: order.CreationTimestamp}
				index.OnAdd(order, true)
			}
			wallet := &v1alpha1.EsimWallet{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "main", UID: "main"}}
			b.ReportAllocs()
			for b.Loop() {
				entries := index.Entries(wallet)
				for i := range 50 {
					if entries.At(entries.Len()/2+i).Order == nil {
						b.Fatal("an entry without an order")
					}
				}
			}
		})
	}
}
