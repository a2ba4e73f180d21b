package server

import (
	"context"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/facade/wire"
)

// noStore is Cache-Control of answers that carry a credential, or may.
const noStore = "no-store"

// Login begins a session for an API key and its secret.
func (s *Server) Login(ctx context.Context, r wire.LoginRequestObject) (wire.LoginResponseObject, error) {
	session, err := s.Guard.Login(ctx, requestOf(ctx).caller.Address, r.Body.Username, activation.NewCredential(r.Body.Password))
	s.Metrics.authenticated("key", err)
	if err != nil {
		return nil, err
	}
	return wire.Login200JSONResponse{NewTokensJSONResponse: newTokens(session)}, nil
}

// Refresh exchanges a refresh token.
func (s *Server) Refresh(ctx context.Context, r wire.RefreshRequestObject) (wire.RefreshResponseObject, error) {
	session, err := s.Guard.Refresh(ctx, requestOf(ctx).caller.Address, activation.NewCredential(r.Body.RefreshToken))
	s.Metrics.authenticated("refresh_token", err)
	if err != nil {
		return nil, err
	}
	return wire.Refresh200JSONResponse{NewTokensJSONResponse: newTokens(session)}, nil
}

func newTokens(session *access.Session) wire.NewTokensJSONResponse {
	return wire.NewTokensJSONResponse{
		Body: wire.LoggedIn{Success: true, Data: wire.Tokens{
			AccessToken: session.Access.Reveal(), RefreshToken: session.Refresh.Reveal(),
			AccessExpiresAt: session.AccessExpires.UTC(), RefreshExpiresAt: session.RefreshExpires.UTC(),
			ClientID: session.ClientID,
		}},
		Headers: wire.NewTokensResponseHeaders{CacheControl: noStore},
	}
}

// Logout ends all sessions of the client.
func (s *Server) Logout(ctx context.Context, _ wire.LogoutRequestObject) (wire.LogoutResponseObject, error) {
	who, err := identity(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Guard.Logout(ctx, who); err != nil {
		return nil, err
	}
	return wire.Logout200JSONResponse{Success: true, Data: wire.LogoutMessage{Message: "Successfully logged out"}}, nil
}
