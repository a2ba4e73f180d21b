package server

import (
	"bytes"
	"context"

	"github.com/telcodev/esim-operator/api/rest"
	"github.com/telcodev/esim-operator/internal/facade/wire"
)

// GetHealth tells that the process is alive.
func (s *Server) GetHealth(context.Context, wire.GetHealthRequestObject) (wire.GetHealthResponseObject, error) {
	return wire.GetHealth200TextResponse("ok"), nil
}

// GetReadiness tells whether requests can be served.
func (s *Server) GetReadiness(ctx context.Context, _ wire.GetReadinessRequestObject) (wire.GetReadinessResponseObject, error) {
	if err := s.Ready(ctx); err != nil {
		return nil, unavailable(awayRetry, err)
	}
	return wire.GetReadiness200TextResponse("ok"), nil
}

// GetOpenAPI answers the API's document.
func (s *Server) GetOpenAPI(context.Context, wire.GetOpenAPIRequestObject) (wire.GetOpenAPIResponseObject, error) {
	text := rest.Document()
	return wire.GetOpenAPI200ApplicationYamlResponse{Body: bytes.NewReader(text), ContentLength: int64(len(text))}, nil
}

// GetDocs answers the API's document as a page.
func (o *operationsOf) GetDocs(context.Context, wire.GetDocsRequestObject) (wire.GetDocsResponseObject, error) {
	return wire.GetDocs200TextHTMLResponse{
		Body: bytes.NewReader(o.page.html), ContentLength: int64(len(o.page.html)),
		Headers: wire.GetDocs200ResponseHeaders{
			ContentSecurityPolicy: o.page.policy, ReferrerPolicy: "no-referrer", XContentTypeOptions: "nosniff",
		},
	}, nil
}
