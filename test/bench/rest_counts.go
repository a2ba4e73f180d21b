package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/telcodev/esim-operator/internal/testenv"
)

// measureRESTCounts counts, in the API server's audit log, what the facade asks of the API server
// for an order that is answered with its code. Who may do what is asked once a client, before.
func measureRESTCounts(ctx context.Context, _ *stand) (figures []figure, err error) {
	s, err := newStand(ctx, testenv.AuditMetadata)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	_, stop, err := s.startDelivering(ctx, 2*postRate)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if _, err := s.buy(ctx, 0); err != nil { // for connections to be made and answers to be remembered
		return nil, err
	}
	before, err := s.env.AuditEvents()
	if err != nil {
		return nil, err
	}
	bought, err := s.buy(ctx, 1)
	if err != nil {
		return nil, err
	}
	after, err := s.env.AuditEvents()
	if err != nil {
		return nil, err
	}
	reads, writes := map[string]int{}, map[string]int{}
	for _, event := range after[len(before):] {
		what := event.Verb + " " + event.Resource
		switch {
		case !strings.HasSuffix(event.User, ":esim-facade") || event.Verb == "watch" || event.Resource == "leases":
		case event.Write():
			writes[what]++
		default:
			reads[what]++
		}
	}
	each := func(of map[string]int) (float64, string) {
		sum := 0
		for _, n := range of {
			sum += n
		}
		return float64(sum) / float64(len(bought)), fmt.Sprint(of)
	}
	read, what := each(reads)
	written, wrote := each(writes)
	return []figure{
		alone(fmt.Sprintf("reads by the facade for each of %d orders over REST %s", len(bought), what), fmt.Sprintf("%.3g", read), "1, its Secret", read <= 1).
			as("reads_per_order_rest", "", read),
		told("… writes "+wrote, fmt.Sprintf("%.3g", written)).as("facade_writes_per_order_rest", "", written),
	}, nil
}
