package ids_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/internal/ids"
)

func TestAnOrdersIDIsItsNamesOrItsUIDs(t *testing.T) {
	for name, want := range map[string]int64{
		"o-930248119": 930248119, "o-1": 1, "o-2147483647": 2147483647,
	} {
		if got := ids.Order(name, "any"); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	for _, name := range []string{"o-2147483648", "o-0", "o--1", "o-01", "o-", "o-1x", "trip-to-tokyo", "o-+1", "o-99999999999999999999"} {
		if got := ids.Order(name, "any"); got < 1<<31 {
			t.Errorf("%s: %d could be another order's", name, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		uid := rapid.String().Draw(t, "uid")
		got := ids.Order("any", types.UID(uid))
		if got < 1<<31 || ids.Refund(got) > 1<<53 || got != ids.Order("other", types.UID(uid)) {
			t.Fatalf("id %d of UID %q is not exact in JSON, or not the UID's", got, uid)
		}
	})
}

func TestAReferencesIDIsOneThatAnOrderCanBeNamedAfter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reference, probe := rapid.String().Draw(t, "reference"), rapid.IntRange(0, 1000).Draw(t, "probe")
		id := ids.FromReference(reference, probe)
		if named, ok := ids.Named(ids.OrderName(id)); !ok || named != id {
			t.Fatalf("id %d", id)
		}
	})
}
