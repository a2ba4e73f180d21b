// Package console is a client's web console: the files of /console, embedded in the binary.
//
// The pages are a client of the REST API like any other. They hold the token that their user
// shows, and RBAC, rate limits and allowed networks hold for them as for programs. Nothing is
// loaded from another host, and nothing has to be built to serve them.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed web
var embedded embed.FS

// Page is the path of the page itself. All other files are below it.
const Page = "/console"

const index = "index.html"

// policy is what the pages may do, which is little: run their own scripts, use their own style,
// ask the API on their own host, and show the QR codes that they got from it. No text becomes
// a script (trusted types), no form is sent by the browser, and nobody frames them.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// File is one of the console's files. It answers requests for itself.
type File struct {
	// Path on the server.
	Path string

	media         string
	plain, zipped content
}

// content is a file in one encoding, with the entity tag that names it.
type content struct {
	body []byte
	tag  string
}

// Files are all files of the console, the page itself included. The error is one of the build.
func Files() ([]*File, error) {
	var files []*File
	err := fs.WalkDir(embedded, "web", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		made, err := newFile(strings.TrimPrefix(name, "web/"), body)
		if err != nil {
			return err
		}
		files = append(files, made)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the console's files: %w", err)
	}
	return files, nil
}

func newFile(name string, body []byte) (*File, error) {
	media, known := map[string]string{
		".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
		".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}[path.Ext(name)]
	if !known {
		return nil, fmt.Errorf("%s: no media type is known for it", name)
	}
	var zipped bytes.Buffer
	// Neither can fail, as level and memory are known.
	writer, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(body); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	f := &File{Path: Page + "/" + name, media: media, plain: newContent(body), zipped: newContent(zipped.Bytes())}
	if name == index {
		f.Path = Page
	}
	return f, nil
}

func newContent(body []byte) content {
	hash := sha256.Sum256(body)
	return content{body: body, tag: strconv.Quote(base64.RawURLEncoding.EncodeToString(hash[:16]))}
}

// ServeHTTP answers with the file, or with 304 where the browser has it. A browser always asks,
// so that files of two versions are never mixed.
func (f *File) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", f.media)
	header.Set("Content-Security-Policy", policy)
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-cache")
	header.Set("Vary", "Accept-Encoding")
	sent := f.plain
	if takesGzip(r.Header) {
		header.Set("Content-Encoding", "gzip")
		sent = f.zipped
	}
	header.Set("ETag", sent.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(sent.body))
}

// takesGzip tells whether an answer may be compressed (RFC 9110 section 12.5.3). Who gives it
// no weight gets it plain, which is always right.
func takesGzip(header http.Header) bool {
	for _, value := range header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(value, ",") {
			name, parameters, err := mime.ParseMediaType(strings.TrimSpace(coding))
			if err != nil || name != "gzip" {
				continue
			}
			weight, err := strconv.ParseFloat(parameters["q"], 64)
			return parameters["q"] == "" || (err == nil && weight > 0)
		}
	}
	return false
}
