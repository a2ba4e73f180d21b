package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// connection is a client that costs next to nothing beside the server that it calls: HTTP/1.1
// with keep-alive, its requests made up before. A client that cost as much as the server would
// make any two servers look alike.
type connection struct {
	socket net.Conn
	reader *bufio.Reader
}

func dial(ctx context.Context, address string) (*connection, error) {
	socket, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", address, err)
	}
	return &connection{socket: socket, reader: bufio.NewReader(socket)}, nil
}

// answerLimit bounds how long an answer may take: longer than any that is held back.
const answerLimit = 2 * time.Minute

// ask sends a request and reads its answer to the end. What is answered is the status alone;
// the body goes to body, unless that is nil.
func (c *connection) ask(request []byte, body io.Writer) (status int, err error) {
	if err := c.socket.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return 0, fmt.Errorf("setting the deadline: %w", err)
	}
	if _, err := c.socket.Write(request); err != nil {
		return 0, fmt.Errorf("sending a request: %w", err)
	}
	if status, err = c.status(); err != nil {
		return 0, fmt.Errorf("reading an answer's status: %w", err)
	}
	length, err := c.headers()
	if err != nil {
		return 0, fmt.Errorf("reading an answer's headers: %w", err)
	}
	if body == nil {
		body = io.Discard
	}
	if length >= 0 {
		_, err = io.CopyN(body, c.reader, length)
	} else if _, err = io.Copy(body, httputil.NewChunkedReader(c.reader)); err == nil {
		// The end of the trailer, of which there is none.
		_, err = c.reader.Discard(len("\r\n"))
	}
	if err != nil {
		return 0, fmt.Errorf("reading an answer's body: %w", err)
	}
	return status, nil
}

// status reads "HTTP/1.1 200 OK".
func (c *connection) status() (int, error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, fmt.Errorf("the answer begins with %q", line)
	}
	return strconv.Atoi(string(line[9:12]))
}

// headers reads to the end of the headers; the length of a body that comes in chunks is -1.
func (c *connection) headers() (length int64, err error) {
	const field = "Content-Length: "
	length = -1
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(line) <= len("\r\n") {
			return length, nil
		}
		if len(line) > len(field) && string(line[:len(field)]) == field {
			if length, err = strconv.ParseInt(strings.TrimSpace(string(line[len(field):])), 10, 64); err != nil {
				return 0, err
			}
		}
	}
}

func (c *connection) close() error { return c.socket.Close() }

// get is a GET request as it goes over the wire; prefer is its Prefer header, if any.
func get(path, token, prefer string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nAccept: application/json\r\n%s\r\n",
		path, token, preferring(prefer))
}

// postOrder is a request for an order as it goes over the wire.
func postOrder(token, body, prefer string) []byte {
	return fmt.Appendf(nil, "POST /api/v1/esim/orders HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s",
		token, preferring(prefer), len(body), body)
}

func preferring(what string) string {
	if what == "" {
		return ""
	}
	return "Prefer: " + what + "\r\n"
}

// sample is an answer, to be written again by a plain handler.
type sample struct {
	header http.Header
	body   []byte
}

// take has an answer in full, by an ordinary client.
func take(ctx context.Context, address, path, token string) (*sample, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s is answered %s: %s", path, response.Status, body)
	}
	// net/http sets these itself, alike for every handler.
	for _, own := range []string{"Date", "Content-Length", "Transfer-Encoding"} {
		response.Header.Del(textproto.CanonicalMIMEHeaderKey(own))
	}
	return &sample{header: response.Header, body: body}, nil
}

// ServeHTTP is the plain handler: it writes the same headers and bytes, and knows nothing.
func (s *sample) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	header := w.Header()
	for name, values := range s.header {
		header[name] = values
	}
	w.WriteHeader(http.StatusOK)
	// Whoever asked has gone, if this fails; the client counts that.
	_, _ = w.Write(s.body)
}
