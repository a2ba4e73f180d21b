package ids_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/internal/ids"
)

// orderIDs are ids as orders have them: below 2^31 over REST, else 2^31 and 50 bits.
var orderIDs = rapid.OneOf(
	rapid.Int64Range(1, 1<<31-1),
	rapid.Int64Range(1<<31, 1<<31+1<<50-1),
	rapid.SampledFrom([]int64{1, 1<<31 - 1, 1 << 31, 1<<31 + 1<<50 - 1}),
)

func TestNoTwoTransactionsOfAWalletShareAnID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wallet := types.UID(rapid.StringMatching(`[0-9a-f]{8}`).Draw(t, "wallet"))
		known := map[int64]string{}
		add := func(id int64, what string) {
			if other, taken := known[id]; taken {
				t.Fatalf("%d is the id of %s and of %s", id, other, what)
			}
			known[id] = what
		}
		for _, order := range rapid.SliceOfNDistinct(orderIDs, 1, 20, rapid.ID[int64]).Draw(t, "orders") {
			add(ids.Debit(order), "a debit")
			add(ids.Refund(order), "a refund")
		}
		for _, reference := range rapid.SliceOfNDistinct(rapid.StringMatching(`[!-~]{1,63}`), 1, 20, rapid.ID[string]).Draw(t, "deposits") {
			add(ids.Deposit(wallet, reference), "the deposit "+reference)
		}
	})
}

// JSON's numbers are doubles to most who read them.
func TestIDsAreExactInJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		order := orderIDs.Draw(t, "order")
		text := rapid.String().Draw(t, "text")
		for what, id := range map[string]int64{
			"debit": ids.Debit(order), "refund": ids.Refund(order), "deposit": ids.Deposit(types.UID(text), text),
			"wallet": ids.Wallet(types.UID(text)), "client": ids.Client(text),
		} {
			var read float64
			data, err := json.Marshal(id)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(data, &read); err != nil {
				t.Fatal(err)
			}
			if id <= 0 || id >= 1<<53 || int64(read) != id {
				t.Fatalf("the id of the %s is %d, and %v to whoever reads it", what, id, read)
			}
		}
	})
}

// Ids are written down by clients: they must be the same for ever.
func TestIDsNeverChange(t *testing.T) {
	const wallet = types.UID("6f9619ff-8b86-4011-b42d-00cf4fc964ff")
	got := map[string]int64{
		"debit": ids.Debit(930248119), "refund": ids.Refund(930248119),
		"deposit": ids.Deposit(wallet, "transfer-2036-0117"),
		"wallet":  ids.Wallet(wallet), "client": ids.Client("acme"),
	}
	want := map[string]int64{
		"debit": 3720992476, "refund": 3720992477, "deposit": 622521374, "wallet": 1896040330, "client": 1091934678,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
