package es2plus

import (
	"context"
	"net/http"
	"strconv"

	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
)

// Try reads a function's path. ES2+ has no question, and a call about a profile that is not ours
// would look like an attack. That the path is not to be read is an answer too; a server error
// comes from something between us and the functions.
func (d *Driver) Try(ctx context.Context) error {
	r := d.ask(ctx, es2plus.ReleaseProfile.Path())
	failure := classifyFate("", r)
	if r.fate == answered && r.status >= http.StatusInternalServerError && r.status != http.StatusNotImplemented {
		failure = &operators.Error{Message: "the SM-DP+ answered with a server error", Code: "HTTP " + strconv.Itoa(r.status)}
	}
	switch {
	case failure == nil:
		return nil
	case failure.Class != operators.Misconfigured:
		failure.Class = operators.Transient // nothing can have been bought
	}
	return failure
}
