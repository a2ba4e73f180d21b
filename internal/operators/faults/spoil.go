package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	hugeAnswer = 100 << 20
	deepAnswer = 100_000
	page       = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
)

// recorded is the answer of a fake, held back.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *recorded) Header() http.Header                { return a.header }
func (a *recorded) WriteHeader(status int)             { a.status = status }
func (a *recorded) Write(data []byte) (n int, _ error) { return a.body.Write(data) }

// pause waits; false where the client went before the end.
func pause(ctx context.Context, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// spoil answers as the fault says.
func spoil(w http.ResponseWriter, r *http.Request, request []byte, answer *recorded, fault Fault) {
	switch fault.Kind {
	case Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case Drop:
		panic(http.ErrAbortHandler)
	case Truncated:
		truncate(w, answer)
	case Huge:
		flood(w)
	case Redirect:
		w.Header().Set("Location", "https://elsewhere.example.com"+r.URL.Path)
		w.WriteHeader(http.StatusTemporaryRedirect)
	default:
		status, contentType, body := instead(r, request, answer, fault)
		if fault.RetryAfter != "" {
			w.Header().Set("Retry-After", fault.RetryAfter)
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		send(w, body)
	}
}

// instead is the answer that a fault puts in the place of the fake's.
func instead(r *http.Request, request []byte, answer *recorded, fault Fault) (status int, contentType string, body []byte) {
	const asJSON = "application/json"
	own := answer.body.Bytes()
	switch fault.Kind {
	case Status:
		return fault.Status, asJSON, []byte("{}")
	case HTML:
		if fault.Status == 0 {
			fault.Status = http.StatusBadGateway
		}
		return fault.Status, "text/html; charset=utf-8", []byte(page)
	case Empty:
		return http.StatusOK, asJSON, nil
	case Malformed:
		return answer.status, asJSON, own[:len(own)/2]
	case Deep:
		return http.StatusOK, asJSON, []byte(strings.Repeat(`{"a":[`, deepAnswer/2) + strings.Repeat(`]}`, deepAnswer/2))
	case Echo:
		said := map[string]any{"errorCode": "E" + string(request), "message": string(request), "code": string(request), "fields": r.Header, "path": r.URL.String()}
		body, err := json.Marshal(said)
		if err != nil {
			panic(fmt.Sprintf("an echo cannot be written: %v", err))
		}
		return http.StatusBadRequest, asJSON, body
	case WrongTypes, NumbersAsStrings, ObjectsForLists, BooleansAsStrings:
		return answer.status, asJSON, retyped(own, fault.Kind)
	default:
		return answer.status, answer.header.Get("Content-Type"), own
	}
}

// truncate promises the whole answer and ends the connection after half of it.
func truncate(w http.ResponseWriter, answer *recorded) {
	body := answer.body.Bytes()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(answer.status)
	send(w, body[:len(body)/2])
	if flusher, ok := w.(http.Flusher); ok {
		flusher.Flush()
	}
	panic(http.ErrAbortHandler)
}

// flood answers until the client has had enough.
func flood(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	chunk := []byte(strings.Repeat(" ", 1<<16))
	for range hugeAnswer / len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return // the client has had enough
		}
	}
}

// send writes the end of an answer; a client that went does not get it.
func send(w http.ResponseWriter, body []byte) { _, _ = w.Write(body) }

// retyped is JSON with the same content in other types. What is no JSON stays as it is.
func retyped(body []byte, kind Kind) []byte {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var content any
	if decoder.Decode(&content) != nil {
		return body
	}
	changed, err := json.Marshal(retype(content, kind))
	if err != nil {
		panic(fmt.Sprintf("an answer cannot be written again: %v", err))
	}
	return changed
}

func retype(content any, kind Kind) any {
	switch value := content.(type) {
	case map[string]any:
		changed := make(map[string]any, len(value))
		for name, field := range value {
			changed[name] = retype(field, kind)
		}
		return changed
	case []any:
		changed := make([]any, len(value))
		keyed := make(map[string]any, len(value))
		for i, element := range value {
			changed[i] = retype(element, kind)
			keyed[strconv.Itoa(i)] = changed[i]
		}
		if kind == ObjectsForLists && len(keyed) > 0 {
			return keyed
		}
		return changed
	case json.Number:
		return retypeNumber(value, kind)
	case bool:
		if kind == BooleansAsStrings {
			return strconv.FormatBool(value)
		}
	case string:
		if kind == WrongTypes {
			return []any{value}
		}
	}
	return content
}

func retypeNumber(value json.Number, kind Kind) any {
	switch kind {
	case NumbersAsStrings:
		return value.String()
	case WrongTypes:
		return map[string]any{"value": value}
	default:
		return value
	}
}
