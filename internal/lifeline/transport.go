package lifeline

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Transport puts the line around what carries calls to operators and to clients' endpoints.
func (l *Line) Transport(inner http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		var response *http.Response
		sent := false
		err := l.Pass(request.Context(), call(request), refused, func() (err error) {
			sent = true
			response, err = inner.RoundTrip(request) //nolint:bodyclose // the driver closes it
			return err
		})
		if !sent && request.Body != nil {
			err = errors.Join(err, request.Body.Close())
		}
		if err != nil && response != nil {
			err = errors.Join(err, response.Body.Close())
			response = nil
		}
		var answer statusError
		if errors.As(err, &answer) {
			return answer.response(request), nil
		}
		return response, err
	})
}

// call names a request by what of its path is the same in each run: the last part without a
// digit. What only reads says so.
func call(request *http.Request) string {
	name := ""
	for part := range strings.SplitSeq(request.URL.Path, "/") {
		if part != "" && !strings.ContainsAny(part, "0123456789") {
			name = part
		}
	}
	if request.Method == http.MethodGet {
		return "call GET " + name
	}
	return "call " + name
}

// statusError is an HTTP status that something between us and the operator answers.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("HTTP %d", int(s)) }

func refused(status int) error { return statusError(status) }

func (s statusError) response(request *http.Request) *http.Response {
	const body = "the server is not well"
	return &http.Response{
		Status: fmt.Sprintf("%d %s", int(s), http.StatusText(int(s))), StatusCode: int(s), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: request,
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }
