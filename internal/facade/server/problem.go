package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/wire"
)

// awayRetry is when it is worth asking again once the API server did not answer.
const awayRetry = 5 * time.Second

// errNotSynced says that a request came before the caches were filled.
var errNotSynced = errors.New("the caches are not filled yet")

// problem is an answer that is no success. As an error, it says why for the log.
type problem struct {
	status  int
	name    wire.ErrorDetailsName
	code    wire.ErrorCode
	message string
	// orderID of the first order, where a reference was used before.
	orderID *int64
	// retryAfter where it is worth trying again.
	retryAfter time.Duration
	// cause is for the log alone.
	cause error
}

func (p *problem) Error() string {
	if p.cause == nil {
		return p.message
	}
	return p.message + ": " + p.cause.Error()
}

func (p *problem) Unwrap() error { return p.cause }

// malformed is 400: the request is not as the document has it. The message names the field.
func malformed(format string, arguments ...any) *problem {
	return &problem{
		status: http.StatusBadRequest, name: wire.ErrorDetailsNameValidationException, code: wire.VALIDATIONFAILURE,
		message: fmt.Sprintf(format, arguments...),
	}
}

// unfit is 400: the request is well formed, and what it names will not do.
func unfit(message string) *problem {
	return &problem{status: http.StatusBadRequest, name: wire.ErrorDetailsNameBadRequestError, code: wire.BADREQUEST, message: message}
}

func unauthorized(message string) *problem {
	return &problem{status: http.StatusUnauthorized, name: wire.ErrorDetailsNameUnauthorizedError, code: wire.UNAUTHORIZED, message: message}
}

func forbidden(message string) *problem {
	return &problem{status: http.StatusForbidden, name: wire.ErrorDetailsNameForbiddenError, code: wire.FORBIDDEN, message: message}
}

func notFound() *problem {
	return &problem{status: http.StatusNotFound, name: wire.ErrorDetailsNameNotFoundError, code: wire.NOTFOUND, message: "Not found"}
}

func methodNotAllowed() *problem {
	return &problem{
		status: http.StatusMethodNotAllowed, name: wire.ErrorDetailsNameMethodNotAllowedError, code: wire.METHODNOTALLOWED,
		message: "Method not allowed",
	}
}

func conflict(message string) *problem {
	return &problem{status: http.StatusConflict, name: wire.ErrorDetailsNameConflictError, code: wire.CONFLICT, message: message}
}

func tooLarge() *problem {
	return &problem{
		status: http.StatusRequestEntityTooLarge, name: wire.ErrorDetailsNamePayloadTooLargeError, code: wire.PAYLOADTOOLARGE,
		message: "The body must be at most 64 KiB",
	}
}

func notJSON() *problem {
	return &problem{
		status: http.StatusUnsupportedMediaType, name: wire.ErrorDetailsNameUnsupportedMediaTypeError,
		code: wire.UNSUPPORTEDMEDIATYPE, message: "Content-Type must be application/json",
	}
}

func tooMany(message string, retryAfter time.Duration) *problem {
	return &problem{
		status: http.StatusTooManyRequests, name: wire.ErrorDetailsNameTooManyRequestsError, code: wire.TOOMANYREQUESTS,
		message: message, retryAfter: retryAfter,
	}
}

func unavailable(retryAfter time.Duration, cause error) *problem {
	return &problem{
		status: http.StatusServiceUnavailable, name: wire.ErrorDetailsNameServiceUnavailableError, code: wire.SERVICEUNAVAILABLE,
		message: "Service unavailable, try again later", retryAfter: retryAfter, cause: cause,
	}
}

func internal(cause error) *problem {
	return &problem{
		status: http.StatusInternalServerError, name: wire.ErrorDetailsNameInternalServerError, code: wire.INTERNALSERVERERROR,
		message: "Internal server error", cause: cause,
	}
}

// problemOf is the one place that decides how an error is answered. What it does not know is
// a fault of ours, of which the client learns nothing.
func problemOf(err error) *problem {
	var known *problem
	if errors.As(err, &known) {
		return known
	}
	var refusal *access.Refusal
	if errors.As(err, &refusal) {
		return refused(refusal)
	}
	var parameter *wire.InvalidParamFormatError
	if errors.As(err, &parameter) {
		return malformed("%s is malformed", parameter.ParamName)
	}
	var repeated *wire.TooManyValuesForParamError
	if errors.As(err, &repeated) {
		return malformed("%s must be given once", repeated.ParamName)
	}
	switch {
	case isAway(err):
		return unavailable(awayRetry, err)
	case apierrors.IsNotFound(err):
		p := notFound()
		p.cause = err
		return p
	case apierrors.IsForbidden(err):
		// The facade is not bound in the namespace, or it is being deleted, or its quota is used up.
		p := forbidden("This is not possible for this client")
		p.cause = err
		return p
	default:
		return internal(err)
	}
}

func refused(refusal *access.Refusal) *problem {
	var p *problem
	switch refusal.Reason {
	case access.Unauthorized:
		p = unauthorized(refusal.Message)
	case access.Forbidden:
		p = forbidden(refusal.Message)
	case access.TooManyRequests:
		p = tooMany(refusal.Message, refusal.RetryAfter)
	case access.Unavailable:
		p = unavailable(refusal.RetryAfter, nil)
	default:
		p = internal(nil)
	}
	p.cause = refusal
	return p
}

// isAway tells whether the API server gave no answer, or one that means: later.
func isAway(err error) bool {
	var transport *url.Error
	var network net.Error
	return errors.As(err, &transport) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled) || errors.Is(err, orders.ErrNoName) ||
		apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsServiceUnavailable(err) ||
		apierrors.IsTooManyRequests(err) || apierrors.IsInternalError(err) || apierrors.IsUnauthorized(err)
}

// write answers with the problem.
func (p *problem) write(w http.ResponseWriter) error {
	body, err := json.Marshal(wire.Error{Error: wire.ErrorDetails{Name: p.name, Code: p.code, Message: p.message, OrderID: p.orderID}})
	if err != nil {
		return fmt.Errorf("writing an error: %w", err)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	switch p.status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		header.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(p.retryAfter.Seconds())), 10))
	}
	w.WriteHeader(p.status)
	if _, err := w.Write(append(body, '\n')); err != nil {
		return fmt.Errorf("writing an error: %w", err)
	}
	return nil
}
