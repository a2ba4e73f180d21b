package airalo

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

const (
	// tokenRequests in tokenWindow are what Airalo allows.
	tokenRequests = 3
	tokenWindow   = time.Minute
	// tokenReserve is how long before its end a token is not used any more.
	tokenReserve = time.Minute
	// maxTokenLifetime bounds what is believed of a token's life.
	maxTokenLifetime = 7 * 24 * time.Hour
)

// issued is a token and when it is used last.
type issued struct {
	token activation.Credential
	until time.Time
}

// tokens keeps the one access token that all calls share. It is safe for concurrent use: one
// caller asks for a new token while the others wait.
type tokens struct {
	request func(context.Context) (issued, *operators.Error)
	now     func() time.Time

	// turn is held by whoever reads or writes what follows. It is a channel because a caller
	// may give up waiting.
	turn    chan struct{}
	current issued
	// asked are the times of the last requests.
	asked []time.Time
	// failure of the last request; nil where it succeeded.
	failure *operators.Error
}

func newTokens(request func(context.Context) (issued, *operators.Error), now func() time.Time) *tokens {
	return &tokens{request: request, now: now, turn: make(chan struct{}, 1)}
}

// get is a token that can be used. spent, where it is not empty, is one that Airalo refused.
// Its errors say that the call that needs the token was not made.
func (t *tokens) get(ctx context.Context, spent activation.Credential) (activation.Credential, *operators.Error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return activation.Credential{}, &operators.Error{Class: operators.Transient, Function: requestToken,
			Message: "the call was given up before anything was sent", Err: ctx.Err()}
	}
	if !spent.Empty() && t.current.token.Equal(spent) {
		t.current = issued{}
	}
	if !t.current.token.Empty() && t.now().Before(t.current.until) {
		return t.current.token, nil
	}
	if failure := t.overdrawn(); failure != nil {
		return activation.Credential{}, failure
	}
	t.asked = append(t.asked, t.now())
	fresh, failure := t.request(ctx)
	t.current, t.failure = fresh, failure
	return fresh.token, failure
}

// overdrawn is the error of a request that Airalo would refuse, because too many were made; nil
// where one may be made. Where the last one failed, its error is what there is to know.
func (t *tokens) overdrawn() *operators.Error {
	now := t.now()
	t.asked = slices.DeleteFunc(t.asked, func(at time.Time) bool { return now.Sub(at) >= tokenWindow })
	if len(t.asked) < tokenRequests {
		return nil
	}
	wait := tokenWindow - now.Sub(t.asked[0])
	if t.failure == nil {
		return &operators.Error{Class: operators.Busy, Function: requestToken, Message: "Airalo gives out no more access tokens in this minute", RetryAfter: wait}
	}
	failure := *t.failure
	failure.RetryAfter = max(failure.RetryAfter, wait)
	return &failure
}

// requestToken is POST /token, with the client credentials grant of OAuth 2.0 (RFC 6749 section
// 4.4).
func (d *Driver) requestToken(ctx context.Context) (issued, *operators.Error) {
	call, failure := d.post(requestToken, "/token", map[string]string{
		"client_id": d.clientID, "client_secret": d.secret.Reveal(), "grant_type": "client_credentials",
	})
	if failure != nil {
		return issued{}, failure
	}
	var fresh issued
	call.Read = func(answer webapi.Answer) (err error) {
		if answer.Status != http.StatusOK {
			return d.refusal(requestToken, answer)
		}
		fresh, err = readToken(answer.Body, d.now())
		return err
	}
	if failure := d.api.Do(ctx, call); failure != nil {
		return issued{}, failure
	}
	return fresh, nil
}

// readToken reads an answer that was received at now.
func readToken(body []byte, now time.Time) (issued, error) {
	var answer struct {
		Data struct {
			AccessToken string     `json:"access_token"`
			ExpiresIn   webapi.Int `json:"expires_in"`
		} `json:"data"`
	}
	if err := webapi.Decode(body, &answer); err != nil {
		return issued{}, err
	}
	token := answer.Data.AccessToken
	if token == "" || !isPrintable(token) {
		return issued{}, errNoToken
	}
	life := min(time.Duration(min(max(answer.Data.ExpiresIn, 0), webapi.Int(maxTokenLifetime/time.Second)))*time.Second, maxTokenLifetime)
	// One that says nothing of its life, or next to nothing, is used for some calls at least.
	until := now.Add(max(life-tokenReserve, life/2, time.Second))
	return issued{token: activation.NewCredential(token), until: until}, nil
}
