package fairqueue

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestClientsTakeTurns(t *testing.T) {
	var round Round[string]
	for i := range 4 {
		round.Push("flood", fmt.Sprintf("flood-%d", i))
	}
	round.Push("b", "b-0")
	round.Push("c", "c-0")
	round.Push("c", "c-1")
	round.Push("flood", "flood-0") // is there already, and keeps its place
	round.Remove("flood-1")
	want := []string{"flood-0", "b-0", "c-0", "flood-2", "c-1", "flood-3"}
	if diff := cmp.Diff(want, popAll(&round)); diff != "" {
		t.Error(diff)
	}
}

func popAll(round *Round[string]) []string {
	var popped []string
	for item, ok := round.Pop(); ok; item, ok = round.Pop() {
		popped = append(popped, item)
	}
	return popped
}

// TestARoundLosesNothingAndIsFair compares a Round with slices, and counts how many go ahead of
// whoever comes with nothing else waiting.
func TestARoundLosesNothingAndIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var round Round[string]
		waits := map[string][]string{} // by client
		ahead := map[string]int{}      // how many may still go before the client's first
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				client, item := draw(t)
				fresh := !slices.Contains(waits[client], item)
				if got := round.Push(client, item); got != fresh {
					t.Fatalf("Push(%s) is %t", item, got)
				}
				if fresh && len(waits[client]) == 0 {
					ahead[client] = clientsIn(waits)
				}
				if fresh {
					waits[client] = append(waits[client], item)
				}
			},
			"remove": func(t *rapid.T) {
				client, item := draw(t)
				at := slices.Index(waits[client], item)
				if got := round.Remove(item); got != (at >= 0) {
					t.Fatalf("Remove(%s) is %t", item, got)
				}
				if at >= 0 {
					waits[client] = slices.Delete(waits[client], at, at+1)
				}
			},
			"pop": func(t *rapid.T) {
				item, ok := round.Pop()
				if !ok {
					if n := clientsIn(waits); n > 0 {
						t.Fatalf("nothing came, and %d clients wait", n)
					}
					return
				}
				client := item[:1]
				if len(waits[client]) == 0 || waits[client][0] != item {
					t.Fatalf("%s came, and of its client wait %v", item, waits[client])
				}
				waits[client] = waits[client][1:]
				ahead[client] = clientsIn(waits)
				for other := range waits {
					if other == client || len(waits[other]) == 0 {
						continue
					}
					if ahead[other]--; ahead[other] < 0 {
						t.Fatalf("%s went ahead of %s, whose turn it was", item, other)
					}
				}
			},
			"": func(t *rapid.T) {
				total := 0
				for _, items := range waits {
					total += len(items)
				}
				if round.Len() != total || len(round.lanes) != clientsIn(waits) || round.turns.Len() != len(round.lanes) {
					t.Fatalf("%d items of %d clients are kept, want %d of %d", round.Len(), len(round.lanes), total, clientsIn(waits))
				}
			},
		})
	})
}

func draw(t *rapid.T) (client, item string) {
	client = rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "client")
	return client, client + rapid.SampledFrom([]string{"0", "1", "2", "3", "4"}).Draw(t, "item")
}

func clientsIn(waits map[string][]string) int {
	n := 0
	for _, items := range waits {
		if len(items) > 0 {
			n++
		}
	}
	return n
}
