// Package client speaks the REST API. `make generate` makes all of it but this comment from
// the API's document, so that what it sends and expects is what is documented.
//
// Amounts are decimal.Number: exactly the digits that the service sent. A token goes into
// each request through WithRequestEditorFn:
//
//	api, err := client.NewClientWithResponses("https://esim.example.com",
//		client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
//			r.Header.Set("Authorization", "Bearer "+token)
//			return nil
//		}))
//	…
//	order, err := api.CreateOrderWithResponse(ctx, nil, client.OrderRequest{ProductID: 712, Amount: "4.50"})
package client
