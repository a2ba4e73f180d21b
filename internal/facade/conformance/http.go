package conformance

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// maxBody is how much of a body is looked at: more than any request or answer has.
const maxBody = 8 << 20

// Reporter is told what is wrong; *testing.T and Ginkgo's GinkgoT are ones.
type Reporter interface {
	Helper()
	Errorf(format string, arguments ...any)
}

// Transport returns a RoundTripper that checks every exchange and tells the reporter what is
// wrong. Requests and answers pass unchanged. It reads whole bodies, before it sends and
// before it returns.
func (c *Checker) Transport(reporter Reporter, base http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		reporter.Helper()
		sent, err := drain(request.Body)
		if err != nil {
			return nil, fmt.Errorf("reading the request's body: %w", err)
		}
		passed := request.Clone(request.Context())
		if request.Body != nil {
			passed.Body = io.NopCloser(bytes.NewReader(sent))
		}
		response, err := base.RoundTrip(passed)
		if err != nil {
			return nil, err
		}
		received, err := drain(response.Body)
		if err != nil {
			return nil, fmt.Errorf("reading the answer's body: %w", err)
		}
		response.Body = io.NopCloser(bytes.NewReader(received))
		err = c.Check(Exchange{Request: request, RequestBody: sent, Status: response.StatusCode, Header: response.Header, Body: received})
		if err != nil {
			reporter.Errorf("not as the API's document says: %v", err)
		}
		return response, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// drain reads a body to its end and closes it.
func drain(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	content, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if closing := body.Close(); err == nil {
		err = closing
	}
	if err == nil && len(content) > maxBody {
		err = fmt.Errorf("it has more than the %d bytes that are checked", maxBody)
	}
	return content, err
}

// Handler returns a handler that answers as next does, checks every exchange and tells the
// reporter what is wrong. It goes around everything else, so that it sees what a client sees.
func (c *Checker) Handler(reporter Reporter, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reporter.Helper()
		var sent bytes.Buffer
		passed := r.Clone(r.Context())
		passed.Body = &recordedBody{ReadCloser: r.Body, into: &sent}
		answer := &recordedAnswer{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, passed)
		// What the handler left unread is part of the request all the same.
		if _, err := io.Copy(&sent, io.LimitReader(r.Body, maxBody)); err != nil && answer.status < http.StatusBadRequest {
			reporter.Errorf("%s %s: reading the rest of the request's body: %v", r.Method, r.URL.Path, err)
		}
		err := c.Check(Exchange{Request: r, RequestBody: sent.Bytes(), Status: answer.status, Header: w.Header(), Body: answer.body.Bytes()})
		if err != nil {
			reporter.Errorf("not as the API's document says: %v", err)
		}
	})
}

// recordedBody keeps what is read of a request.
type recordedBody struct {
	io.ReadCloser
	into *bytes.Buffer
}

// Read implements io.Reader.
func (b *recordedBody) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	b.into.Write(into[:n])
	return n, err
}

// recordedAnswer keeps what is written.
type recordedAnswer struct {
	http.ResponseWriter
	status  int
	written bool
	body    bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (a *recordedAnswer) WriteHeader(status int) {
	if !a.written && status >= http.StatusOK {
		a.status, a.written = status, true
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *recordedAnswer) Write(content []byte) (int, error) {
	a.written = true
	a.body.Write(content)
	return a.ResponseWriter.Write(content)
}

// Unwrap lets http.ResponseController reach the real one.
func (a *recordedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
