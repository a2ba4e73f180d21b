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
	for _, path := range []string{
		fmt.Sprintf("/api/v1/esim/orders/%d", id), "/api/v1/esim/products",
	} {
		answer, err := take(ctx, s.address, path, s.token)
		if err != nil {
			return nil, err
		}
		address, stop, err := serve(ctx, answer)
		if err != nil {
			return nil, err
		}
		request := get(path, s.token, "")
		made, err := compare(ctx, target{s.address, request}, target{address, request})
		if closed := stop(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf("GET %s (%d bytes), ", path, len(answer.body))
		figures = append(figures,
			against(what+"requests", perSecond(made.a.rate), perSecond(made.b.rate), made.rate, "≥ 0.50 of a plain handler", made.rate >= 0.5),
			compared(what+"processor time, its client's included", short(made.a.cpu), short(made.b.cpu), made.spent))
	}
	return figures, nil
}
