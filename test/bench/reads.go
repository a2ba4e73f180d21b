package main

import (
	"context"
	"fmt"

	"github.com/telcodev/esim-operator/internal/ids"
)

// measureReads compares the whole facade (authentication, limits, rights, the access log) with
// a plain net/http handler that writes the same headers and bytes, in this process too.
func measureReads(ctx context.Context, s *stand) (figures []figure, err error) {
	id, _ := ids.Named(installedOrder)
	for _, of := range []struct{ name, path string }{
		{"order", fmt.Sprintf("/api/v1/esim/orders/%d", id)}, {"products", "/api/v1/esim/products"},
	} {
		path := of.path
		answer, err := take(ctx, s.address, path, s.token)
		if err != nil {
			return nil, err
		}
		address, stop, err := serve(ctx, answer)
		if err != nil {
			return nil, err
		}
		request := get(path, s.token, "")
		made, err := compare(ctx, shortRounds, target{s.address, request}, target{address, request})
		if closed := stop(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf("GET %s (%d bytes), ", path, len(answer.body))
		figures = append(figures,
			against(what+"requests", perSecond(made.a.rate), perSecond(made.b.rate), median(made.rates), "≥ 0.50 of a plain handler", median(made.rates) >= 0.5).
				as("facade_read_"+of.name+"_ratio", "", made.rates...),
			compared(what+"processor time, its client's included", short(made.a.cpu), short(made.b.cpu), median(made.spent)).
				as("facade_read_"+of.name+"_cpu_ratio", "", made.spent...))
	}
	return figures, nil
}
