package airalofake

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxRequest bounds the body of a request.
const maxRequest = 64 << 10

// reply is an answer: an HTTP status and what is written as JSON.
type reply struct {
	status int
	body   map[string]any
	code   int
	// page is written instead of body where Airalo answers a web page.
	page string
}

// executor does what a call asks for. body is the request's.
type executor func(r *http.Request, body []byte) reply

// serve reads a call, executes it, notes it and answers.
func (s *Server) serve(call string, execute executor) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			http.Error(w, "the request could not be read", http.StatusBadRequest)
			return
		}
		var answer reply
		if refused := s.nextRefusal(call); refused != nil {
			answer = refuse(refused)
		} else {
			answer = execute(r, body)
		}
		if err := s.shop.unkept(); err != nil {
			answer = reply{status: http.StatusInternalServerError, body: meta(err.Error())}
		}
		s.ledger.add(LedgerEntry{Time: s.clock.Now().UTC(), Call: call, Status: answer.status, Code: answer.code})
		send(w, answer)
	}
}

// authenticated lets in who has a token and asks for JSON.
func (s *Server) authenticated(execute executor) executor {
	return func(r *http.Request, body []byte) reply {
		if refused := s.refuses(r, body); refused != nil {
			return *refused
		}
		token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !bearer || !s.tokens.valid(token) {
			return reply{status: http.StatusUnauthorized, body: meta("Unauthenticated.")}
		}
		return execute(r, body)
	}
}

// refuses is what Airalo checks of all requests: the Accept header, without which mistakes are
// answered by a web page, and the signature of what is posted.
func (s *Server) refuses(r *http.Request, body []byte) *reply {
	if r.Header.Get("Accept") != "application/json" {
		return &reply{status: http.StatusInternalServerError, page: "<!DOCTYPE html><html><title>Server Error</title></html>"}
	}
	if r.Method == http.MethodPost && !hmac.Equal([]byte(r.Header.Get("airalo-signature")), []byte(s.signature(body))) {
		refused := refuse(&refusal{status: http.StatusUnprocessableEntity, code: 14, reason: "Invalid checksum."})
		return &refused
	}
	return nil
}

// signature of a JSON body in which slashes are escaped, as PHP writes it.
func (s *Server) signature(body []byte) string {
	plain := bytes.ReplaceAll(body, []byte(`\/`), []byte(`/`))
	mac := hmac.New(sha512.New, []byte(s.options.ClientSecret))
	mac.Write(bytes.ReplaceAll(plain, []byte(`/`), []byte(`\/`)))
	return hex.EncodeToString(mac.Sum(nil))
}

// requestToken is POST /token.
func (s *Server) requestToken(r *http.Request, body []byte) reply {
	if refused := s.refuses(r, body); refused != nil {
		return *refused
	}
	if !s.tokens.allowed() {
		return reply{status: http.StatusTooManyRequests, body: meta("Too Many Attempts.")}
	}
	var asked struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
		GrantType    string `json:"grant_type"`
	}
	if err := json.Unmarshal(body, &asked); err != nil || asked.GrantType != "client_credentials" {
		return refuse(&refusal{status: http.StatusUnprocessableEntity, field: "grant_type", reason: "The grant type must be client_credentials."})
	}
	if asked.ClientID != s.options.ClientID || asked.ClientSecret != s.options.ClientSecret {
		return reply{status: http.StatusUnauthorized, body: meta("Client authentication failed.")}
	}
	return reply{status: http.StatusOK, body: map[string]any{
		"data": map[string]any{
			"token_type": "Bearer", "expires_in": int(tokenLifetime.Seconds()), "access_token": s.tokens.issue(),
		},
		"meta": map[string]any{"message": "success"},
	}}
}

// meta is a body that says something in words only.
func meta(message string) map[string]any {
	return map[string]any{"data": []any{}, "meta": map[string]any{"message": message}}
}

// refuse is how a refusal is answered.
func refuse(r *refusal) reply {
	switch {
	case r.field != "":
		return reply{status: r.status, body: map[string]any{
			"data": map[string]any{r.field: r.reason}, "meta": map[string]any{"message": "the parameter is invalid"},
		}}
	case r.code != 0:
		return reply{status: r.status, code: r.code, body: map[string]any{"code": r.code, "reason": r.reason}}
	default:
		return reply{status: r.status, body: meta(r.reason)}
	}
}

// send an answer. A client that is gone does not get it.
func send(w http.ResponseWriter, answer reply) {
	if answer.page != "" {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(answer.status)
		_, _ = io.WriteString(w, answer.page)
		return
	}
	data, err := json.Marshal(answer.body)
	if err != nil {
		panic(fmt.Sprintf("an answer cannot be written: %v", err)) // a price is no number
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.status)
	_, _ = w.Write(data)
}
