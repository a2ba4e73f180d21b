//go:build unix

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	startTimeout = time.Minute
	pollInterval = 100 * time.Millisecond
	probeTimeout = 5 * time.Second
	maxAnswer    = 64 << 10
	// lastLines of a log are shown when its process does not come up.
	lastLines = 10
	maxTail   = 16 << 10
)

// check is nil when all is well, and says what is missing otherwise.
type check func(ctx context.Context) error

// await repeats a check until all is well. When the time is over, it returns what was
// missing last.
func await(ctx context.Context, limit time.Duration, ok check) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	missing := errors.New("nothing was heard of it")
	for {
		err := ok(ctx)
		if err == nil {
			return nil
		}
		// What the end of the time itself has cut short says nothing.
		if ctx.Err() == nil {
			missing = err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", limit, missing)
		}
	}
}

// probe asks servers whether they are ready.
type probe struct{ client *http.Client }

func plainProbe() *probe { return &probe{client: &http.Client{Timeout: probeTimeout}} }

// newProbe makes a probe for servers of a CA that want a client certificate.
func newProbe(caFile, certFile, keyFile string) (*probe, error) {
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("reading the CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the client certificate: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{cert}}
	return &probe{client: &http.Client{Timeout: probeTimeout, Transport: &http.Transport{TLSClientConfig: config}}}, nil
}

// answers checks that a URL answers 200.
func (p *probe) answers(url string) check {
	return func(ctx context.Context) (err error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return fmt.Errorf("asking %s: %w", url, err)
		}
		response, err := p.client.Do(request)
		if err != nil {
			return fmt.Errorf("asking: %w", err)
		}
		defer func() { err = errors.Join(err, response.Body.Close()) }()
		// Read to the end, so that the connection can be used again.
		if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer)); err != nil {
			return fmt.Errorf("reading the answer of %s: %w", url, err)
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}
		return nil
	}
}

// lastWords are the last lines of a process's log.
func (c *cluster) lastWords(name string) string {
	path := c.s.file(name + ".log")
	text, err := tail(path)
	if err != nil {
		return fmt.Sprintf("(its log cannot be read: %v)", err)
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	lines = lines[max(0, len(lines)-lastLines):]
	return fmt.Sprintf("The end of %s:\n  %s", c.s.shown(path), strings.Join(lines, "\n  "))
}

// tail is the end of a file that may be long.
func tail(path string) (text string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if _, err := file.Seek(max(0, info.Size()-maxTail), io.SeekStart); err != nil {
		return "", err
	}
	content, err := io.ReadAll(io.LimitReader(file, maxTail))
	return string(content), err
}
