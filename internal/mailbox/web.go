package mailbox

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	// strict lets our own page style itself and nothing else.
	strict = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
	// sandboxed lets a mail show what it carries: no scripts, no forms, nothing from elsewhere.
	sandboxed = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
)

//go:embed list.html
var listSource string

var listPage = template.Must(template.New("list").Parse(listSource))

// handler shows the mails.
func (m *Mailbox) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", m.showList)
	mux.HandleFunc("GET /messages", m.showJSON)
	mux.HandleFunc("GET /messages/{id}", m.each(func(kept *mail) (string, []byte) {
		if kept.html == "" {
			return "text/plain; charset=utf-8", []byte(kept.text)
		}
		return "text/html; charset=utf-8", []byte(kept.page())
	}))
	mux.HandleFunc("GET /messages/{id}/text", m.each(func(kept *mail) (string, []byte) {
		return "text/plain; charset=utf-8", []byte(kept.text)
	}))
	mux.HandleFunc("GET /messages/{id}/raw", m.each(func(kept *mail) (string, []byte) {
		return "text/plain; charset=utf-8", kept.raw
	}))
	mux.HandleFunc("GET /messages/{id}/qr.png", m.each(func(kept *mail) (string, []byte) {
		return "image/png", kept.qr()
	}))
	return guard(mux)
}

// guard answers only who names this machine: a page of somebody else's, whose name was made to
// lead here, does not. Mails are kept by nobody else.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "the mailbox is asked for by a loopback address only", http.StatusMisdirectedRequest)
			return
		}
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", strict)
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

func (m *Mailbox) showList(w http.ResponseWriter, _ *http.Request) {
	var page bytes.Buffer
	if err := listPage.Execute(&page, m.list()); err != nil {
		m.options.Logger.Error("showing the list of mails", "error", err)
		http.Error(w, "the list cannot be shown", http.StatusInternalServerError)
		return
	}
	m.answer(w, "text/html; charset=utf-8", page.Bytes())
}

// showJSON lists the mails, those to one address where ?to= names it.
func (m *Mailbox) showJSON(w http.ResponseWriter, r *http.Request) {
	mails := m.list()
	if to := r.URL.Query().Get("to"); to != "" {
		mails = slices.DeleteFunc(mails, func(kept *mail) bool { return !slices.Contains(kept.To, to) })
	}
	encoded, err := json.MarshalIndent(mails, "", "  ")
	if err != nil {
		m.options.Logger.Error("listing mails as JSON", "error", err)
		http.Error(w, "the list cannot be written", http.StatusInternalServerError)
		return
	}
	m.answer(w, "application/json", append(encoded, '\n'))
}

// each serves a part of one mail; nil content is not found.
func (m *Mailbox) each(part func(*mail) (kind string, content []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil {
			http.Error(w, "a mail's id is a number", http.StatusBadRequest)
			return
		}
		kept := m.find(id)
		if kept == nil {
			http.Error(w, "there is no such mail, or not any more", http.StatusNotFound)
			return
		}
		kind, content := part(kept)
		if content == nil {
			http.Error(w, "the mail has no such part", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Security-Policy", sandboxed)
		m.answer(w, kind, content)
	}
}

func (m *Mailbox) answer(w http.ResponseWriter, kind string, content []byte) {
	w.Header().Set("Content-Type", kind)
	if _, err := w.Write(content); err != nil {
		m.options.Logger.Debug("a client left before its answer", "error", err)
	}
}
