// Command reference writes docs/reference: each field of the kinds, from the CRDs' schemas, and each
// operation of the REST API, from its document.
//
//	reference CRDS DOCUMENT FOLDER
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: reference CRDS DOCUMENT FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func run(crds, document, folder string) error {
	kinds, err := readKinds(crds)
	if err != nil {
		return err
	}
	kindsText, err := kindsPage(kinds)
	if err != nil {
		return err
	}
	api, err := readAPI(document)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // a folder of the documentation
		return fmt.Errorf("making the folder of the reference: %w", err)
	}
	for name, text := range map[string]string{"crds.md": kindsText, "rest.md": apiPage(api)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil { //nolint:gosec // a page of the documentation
			return fmt.Errorf("writing the reference: %w", err)
		}
	}
	return nil
}

// row is a line of a table: what is in its cells may have lines and bars.
func row(to *strings.Builder, cells ...string) {
	for _, cell := range cells {
		fmt.Fprintf(to, "| %s ", inCell(cell))
	}
	to.WriteString("|\n")
}

// inCell is text as a cell of a table can hold it: paragraphs and the points of a list begin anew,
// other line breaks are only those of the source.
func inCell(text string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimSpace(line)
		switch {
		case out.Len() == 0:
		case line == "":
			if !strings.HasSuffix(out.String(), "<br>") {
				out.WriteString("<br>")
			}
			continue
		case strings.HasPrefix(line, "- "):
			out.WriteString("<br>")
		case !strings.HasSuffix(out.String(), "<br>"):
			out.WriteString(" ")
		}
		out.WriteString(line)
	}
	return strings.ReplaceAll(strings.ReplaceAll(out.String(), "|", `\|`), "<br><br>", "<br>")
}

// code is text in a fixed font. What has backquotes in it is left as it is.
func code(text string) string {
	if strings.Contains(text, "`") {
		return text
	}
	return "`" + text + "`"
}

// sentences joins what is said of a field, each ended by a full stop.
func sentences(parts ...string) string {
	var said []string
	for _, part := range parts {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if !strings.ContainsAny(part[len(part)-1:], ".!?:") {
			part += "."
		}
		said = append(said, part)
	}
	return strings.Join(said, " ")
}

// within is a range in words; ends that are nil are open.
func within[N int64 | uint64 | float64](least, most *N, unit string) string {
	switch {
	case least != nil && most != nil:
		return strings.TrimSpace(fmt.Sprintf("%v to %v %s", *least, *most, unit))
	case least != nil:
		return strings.TrimSpace(fmt.Sprintf("at least %v %s", *least, unit))
	case most != nil:
		return strings.TrimSpace(fmt.Sprintf("at most %v %s", *most, unit))
	default:
		return ""
	}
}
