package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/test/stand"
)

// ordered is an order as it was placed.
type ordered struct {
	key   types.NamespacedName
	uid   types.UID
	offer offer
	// number is how REST clients call it; 0 where it was not made over REST.
	number int64
}

// tally is what came of everything.
type tally struct {
	orders map[types.UID]ordered
	// retired are those that were deleted while others came, as they were then.
	retired map[types.UID]*v1alpha1.EsimOrder
	// kills of the manager, and outages of operators.
	kills, outages int
	// delivered and owned count by operator: orders that it filled, and profiles that it sold and
	// did not take back.
	delivered, owned map[string]int
	// ended counts orders by phase and failure.
	ended map[string]int
	// resolved are orders of which only a person could tell, which this program was.
	resolved int
	// stranded are profiles that the SM-DP+ reserved and nobody knows; strandable is how many
	// may be: answers of DownloadOrder that were lost.
	stranded, strandable int
	figures              []figure
}

// figure is a line of the table.
type figure struct {
	what, value string
}

func (t *tally) add(what, form string, args ...any) {
	t.figures = append(t.figures, figure{what, fmt.Sprintf(form, args...)})
}

func (t *tally) print(to io.Writer) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	lines := []figure{{"WHAT", "FIGURE"}, {"orders placed", fmt.Sprint(len(t.orders))}, {"manager killed", fmt.Sprint(t.kills)}, {"operators gone", fmt.Sprint(t.outages)}}
	for _, phase := range slices.Sorted(maps.Keys(t.ended)) {
		lines = append(lines, figure{"ended " + phase, fmt.Sprint(t.ended[phase])})
	}
	for _, name := range stand.Operators() {
		lines = append(lines, figure{"delivered from, and owned at, " + name, fmt.Sprintf("%d, %d", t.delivered[name], t.owned[name])})
	}
	lines = append(lines, figure{"resolved by a person", fmt.Sprint(t.resolved)},
		figure{"stranded at the SM-DP+, of at most", fmt.Sprintf("%d, %d", t.stranded, t.strandable)})
	for _, line := range append(lines, t.figures...) {
		if _, err := fmt.Fprintf(table, "%s\t%s\n", line.what, cmp.Or(line.value, "-")); err != nil {
			return fmt.Errorf("printing the table: %w", err)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the table: %w", err)
	}
	return nil
}
