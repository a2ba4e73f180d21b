package access

import (
	"errors"
	"math"
	"time"
)

// Reason is why a request is refused; the facade answers each with a status of its own.
type Reason int

// The reasons, and the HTTP status that the contract has for each.
const (
	// Unauthorized is 401: it is not known who is calling.
	Unauthorized Reason = iota + 1
	// Forbidden is 403: it is known, and they may not.
	Forbidden
	// TooManyRequests is 429, with RetryAfter.
	TooManyRequests
	// Unavailable is 503, with RetryAfter: the API server gave no answer.
	Unavailable
)

// awayRetry is when it is worth asking again once the API server did not answer.
const awayRetry = 5 * time.Second

// Refusal is the error of a request that is not let through. Two refusals are the same to
// errors.Is where reason and message are.
type Refusal struct {
	// Reason decides the status of the answer.
	Reason Reason
	// Message is for the caller. It tells nothing of what they may not know.
	Message string
	// RetryAfter is in whole seconds, and 0 where it is of no use to try again.
	RetryAfter time.Duration

	// cause is for the log.
	cause error
}

// What a caller can be told. The words are the contract's.
var (
	// ErrNoToken: there is no Authorization header.
	ErrNoToken = &Refusal{Reason: Unauthorized, Message: "Authorization header required"}
	// ErrInvalidToken: the token is malformed, expired, revoked, of another audience, or
	// not that of a ServiceAccount.
	ErrInvalidToken = &Refusal{Reason: Unauthorized, Message: "Invalid token"}
	// ErrInvalidCredentials: API key, secret or refresh token are wrong. It is never said
	// which, nor whether there is such a key.
	ErrInvalidCredentials = &Refusal{Reason: Unauthorized, Message: "Invalid credentials"}
	// ErrForbidden: RBAC says no. The refusals that wrap it say to what.
	ErrForbidden = &Refusal{Reason: Forbidden, Message: "Forbidden"}
	// ErrAddress: the client may not use the API from this address.
	ErrAddress = &Refusal{Reason: Forbidden, Message: "IP address not authorized"}
)

// Error is the message, and the cause where there is one: for the log, not for the caller.
func (r *Refusal) Error() string {
	if r.cause == nil {
		return r.Message
	}
	return r.Message + ": " + r.cause.Error()
}

// Unwrap is what the API server, or the way there, said.
func (r *Refusal) Unwrap() error { return r.cause }

// Is tells whether the caller is told the same.
func (r *Refusal) Is(target error) bool {
	var other *Refusal
	return errors.As(target, &other) && other.Reason == r.Reason && other.Message == r.Message
}

// forbidden is the refusal of a caller without this right.
func forbidden(right Right) error {
	return &Refusal{Reason: Forbidden, Message: "This client may not " + right.phrase(), cause: ErrForbidden}
}

// unavailable is the refusal where the API server did not answer.
func unavailable(cause error) error {
	return &Refusal{
		Reason: Unavailable, Message: "Service unavailable, try again later", RetryAfter: awayRetry, cause: cause,
	}
}

// tooMany is the refusal of a request that came too early by this much.
func tooMany(wait time.Duration) error {
	seconds := max(1, math.Ceil(wait.Seconds()))
	return &Refusal{
		Reason: TooManyRequests, Message: "Too many requests",
		RetryAfter: time.Duration(seconds) * time.Second,
	}
}
