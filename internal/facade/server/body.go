package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"
	"unicode/utf8"
)

const (
	jsonType = "application/json"
	// maxBody bounds a request's body, in bytes.
	maxBody = 64 << 10
	// maxDepth bounds how deep a body's values may be nested. None that means anything is
	// deeper than one.
	maxDepth = 32
	// bodyTimeout bounds how long a body may take to arrive.
	bodyTimeout = 10 * time.Second
)

// readBody takes in all of a request's body, or says why not. Whoever sends it slowly is cut
// off by the deadline that limitBody set.
func readBody(r *http.Request) ([]byte, error) {
	if r.Body == http.NoBody {
		return nil, nil
	}
	if r.ContentLength > maxBody {
		return nil, tooLarge()
	}
	content, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, malformed("the body could not be read to its end")
	case len(content) > maxBody:
		return nil, tooLarge()
	}
	return content, nil
}

// limitBody sets the time by which a body must have arrived, and free takes that back: a
// deadline that passes while the request waits for its order would end it.
func limitBody(w http.ResponseWriter, now time.Time) (free func() error, err error) {
	control := http.NewResponseController(w)
	set := func(until time.Time) error {
		// A ResponseWriter without a connection, as tests have them, has no deadlines.
		if err := control.SetReadDeadline(until); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		return nil
	}
	return func() error { return set(time.Time{}) }, set(now.Add(bodyTimeout))
}

// declaresJSON tells whether a request says that its body is JSON.
func declaresJSON(header http.Header) bool {
	types := header.Values("Content-Type")
	if len(types) != 1 {
		return false
	}
	media, _, err := mime.ParseMediaType(types[0])
	return err == nil && media == jsonType
}

// parseObject reads a body as one JSON object and returns its fields. It is stricter than
// encoding/json, which lets pass what two readers would read in two ways: fields that are
// there twice, text that is not UTF-8, and names in another case.
func parseObject(body []byte) (map[string]json.RawMessage, error) {
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return nil, malformed("the body must be a JSON object")
	case !utf8.Valid(body):
		return nil, malformed("the body must be UTF-8")
	}
	if err := scan(json.NewDecoder(bytes.NewReader(body))); err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, malformed("the body must be a JSON object")
	}
	return fields, nil
}

// scan goes through a whole document and says what is wrong with its form.
func scan(decoder *json.Decoder) error {
	decoder.UseNumber()
	type level struct {
		seen  map[string]bool
		value bool
	}
	var levels []level
	for {
		token, err := decoder.Token()
		if err != nil {
			return malformed("the body must be well-formed JSON")
		}
		var top *level
		if len(levels) > 0 {
			top = &levels[len(levels)-1]
		}
		key, isText := token.(string)
		switch delimiter, isDelimiter := token.(json.Delim); {
		case top != nil && top.seen != nil && !top.value && isText:
			if top.seen[key] {
				return malformed("%.64q must be given once", key)
			}
			top.seen[key], top.value = true, true
			continue
		case isDelimiter && (delimiter == '}' || delimiter == ']'):
			levels = levels[:len(levels)-1]
		case isDelimiter:
			if top != nil {
				top.value = false
			}
			if len(levels) == maxDepth {
				return malformed("the body must not be nested deeper than %d levels", maxDepth)
			}
			entered := level{}
			if delimiter == '{' {
				entered.seen = map[string]bool{}
			}
			levels = append(levels, entered)
			continue
		case top != nil:
			top.value = false
		}
		if len(levels) == 0 {
			break
		}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return malformed("the body must be one JSON object and nothing else")
	}
	return nil
}
