package server

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // for the page's template and style
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
)

//go:embed page.html
var pageTemplate string

//go:embed page.css
var pageStyle string

// page is the API's document for people. All of it is in one answer: nothing is loaded from
// anywhere, and its policy allows nothing else.
type page struct {
	html   []byte
	policy string
}

// section holds the operations of a tag.
type section struct {
	Name, Description string
	Operations        []*operation
}

// renderDocument makes the page, once.
func renderDocument(d *document, operations []*operation) (*page, error) {
	made, err := template.New("docs").Funcs(template.FuncMap{
		"text": markdown, "inline": inline, "schema": d.resolve, "name": schemaName, "body": d.body, "content": d.contentName,
		"anchor": strings.ToLower, "short": func(text string) string { before, _, _ := strings.Cut(text, "\n"); return before },
		"keys": func(responses map[string]*response) []string { return slices.Sorted(maps.Keys(responses)) },
		"type": d.typeName, "examples": d.shown,
	}).Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("reading the template of /docs: %w", err)
	}
	var out bytes.Buffer
	err = made.Execute(&out, map[string]any{
		"Document": d, "Sections": sectionsOf(d, operations),
		"Style": template.CSS(pageStyle), //nolint:gosec // it is our own, embedded at build time.
	})
	if err != nil {
		return nil, fmt.Errorf("rendering /docs: %w", err)
	}
	hash := sha256.Sum256([]byte(pageStyle))
	return &page{
		html: out.Bytes(),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}, nil
}

// sectionsOf are the operations by tag, in the document's order of tags.
func sectionsOf(d *document, operations []*operation) []section {
	var sections []section
	for _, tag := range d.Tags {
		s := section{Name: tag.Name, Description: tag.Description}
		for _, o := range operations {
			if slices.Contains(o.Tags, tag.Name) {
				s.Operations = append(s.Operations, o)
			}
		}
		slices.SortFunc(s.Operations, func(a, b *operation) int {
			return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.method, b.method))
		})
		sections = append(sections, s)
	}
	return sections
}

// Method and Path are for the template.
func (o *operation) Method() string { return o.method }

// Path is the operation's path, with its parameters in braces.
func (o *operation) Path() string { return o.path }

func schemaName(s *schema) string {
	if s == nil {
		return ""
	}
	return strings.TrimPrefix(s.Ref, schemasPrefix)
}

// typeName says what a value is, in a few words.
func (d *document) typeName(s *schema) string {
	resolved := d.resolve(s)
	switch {
	case resolved == nil:
		return ""
	case resolved.Type == "object":
		return schemaName(s)
	case resolved.Type == "array":
		return "list of " + d.typeName(resolved.Items)
	case len(resolved.Enum) > 0:
		return strings.Trim(strings.ReplaceAll(fmt.Sprint(resolved.Enum), " ", " | "), "[]")
	case resolved.Format != "" && resolved.Type == "string":
		return resolved.Format
	default:
		return resolved.Type
	}
}

// contentName says what an answer's body is.
func (d *document) contentName(r *response) string {
	if body, ok := r.Content[jsonType]; ok {
		return d.typeName(body.Schema)
	}
	return strings.Join(slices.Sorted(maps.Keys(r.Content)), ", ")
}

// markdown renders what the document's descriptions use of Markdown: headings, lists,
// paragraphs, and what inline does.
func markdown(text string) template.HTML {
	var out strings.Builder
	open := ""
	enter := func(tag string) {
		if open == tag {
			return
		}
		if open != "" {
			out.WriteString("</" + open + ">\n")
		}
		if open = tag; tag != "" {
			out.WriteString("<" + tag + ">")
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		number, numbered, _ := strings.Cut(line, ". ")
		switch {
		case line == "":
			enter("")
		case strings.HasPrefix(line, "## "):
			enter("")
			out.WriteString("<h3>" + string(inline(line[3:])) + "</h3>\n")
		case strings.HasPrefix(line, "- "):
			enter("ul")
			out.WriteString("<li>" + string(inline(line[2:])) + "</li>\n")
		case numbered != "" && strings.Trim(number, "0123456789") == "":
			enter("ol")
			out.WriteString("<li>" + string(inline(numbered)) + "</li>\n")
		default:
			enter("p")
			out.WriteString(string(inline(line)) + "\n")
		}
	}
	enter("")
	return template.HTML(out.String()) //nolint:gosec // inline has escaped all that is not ours.
}

// inline renders code and strong text within a line, and escapes the rest.
func inline(text string) template.HTML {
	var out strings.Builder
	for i, part := range strings.Split(text, "`") {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			out.WriteString("<code>" + part + "</code>")
			continue
		}
		for j, piece := range strings.Split(part, "**") {
			if j%2 == 1 {
				piece = "<strong>" + piece + "</strong>"
			}
			out.WriteString(piece)
		}
	}
	return template.HTML(out.String()) //nolint:gosec // every part is escaped above.
}
