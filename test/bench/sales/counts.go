package sales

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/test/bench/figures"
	"github.com/telcodev/esim-operator/test/stand"
)

// Counts counts, in the API server's audit log, what orders by kubectl cost: writes and reads of
// the order and of what belongs to it. Leases and the wallets' coalesced writes are told apart.
func Counts(ctx context.Context) (measured []figures.Figure, err error) {
	const orders = 500
	m, err := openMarket(ctx, testenv.AuditMetadata)
	if err != nil {
		return nil, err
	}
	defer func() { err = m.end(err) }()
	if err := m.staff(ctx, []string{stand.Telco}, nil); err != nil {
		return nil, err
	}
	if err := m.deliver(ctx, "first", stand.Telco); err != nil {
		return nil, err
	}
	before, err := m.env.AuditEvents()
	if err != nil {
		return nil, err
	}
	told, err := m.startFootprint(ctx, "count-")
	if err != nil {
		return nil, err
	}
	if _, err := m.paced(ctx, "count", orders, 20*time.Millisecond, func(i int) *v1alpha1.EsimOrder {
		return newOrder(clientName(i), fmt.Sprintf("count-%05d", i), stand.Telco)
	}); err != nil {
		return nil, err
	}
	if err := sleepUntil(ctx, time.Now().Add(3*time.Second)); err != nil { // for what is written later
		return nil, err
	}
	after, err := m.env.AuditEvents()
	if err != nil {
		return nil, err
	}
	own, beside, reads, readBeside := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for _, event := range after[len(before):] {
		what := strings.TrimSuffix(event.Verb+" "+event.Resource+"/"+event.Subresource, "/")
		ofOrder := strings.HasPrefix(event.Name, "count-")
		switch {
		case event.Write() && (ofOrder || event.Resource == "events"):
			own[what]++
		case event.Write():
			beside[what]++
		case !strings.HasSuffix(event.User, ":"+testenv.ManagerServiceAccount) || event.Verb == "watch":
		case ofOrder:
			reads[what]++
		default:
			readBeside[what]++
		}
	}
	measured = []figures.Figure{
		{Name: "writes_per_order", What: fmt.Sprintf("writes for each of %d orders by kubectl (%s)", orders, listed(own)), Values: []float64{float64(total(own)) / orders}},
		{Name: "reads_per_order", What: "reads for each", Values: []float64{float64(total(reads)) / orders}},
		{Name: "writes_beside", What: fmt.Sprintf("writes beside them, for all together (%s)", listed(beside)), Values: []float64{float64(total(beside))}},
		{Name: "reads_beside", What: fmt.Sprintf("reads beside them, for all together (%s)", listed(readBeside)), Values: []float64{float64(total(readBeside))}},
	}
	footprint, err := told.figures(ctx, m, orders)
	return append(measured, footprint...), err
}

func total(of map[string]int) (sum int) {
	for _, n := range of {
		sum += n
	}
	return sum
}

func listed(of map[string]int) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%s %d", what, of[what]))
	}
	return strings.Join(parts, ", ")
}
