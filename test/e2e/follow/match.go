package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/telcodev/esim-operator/internal/markdown"
)

// anything stands in a page for text that may be of any form; on a line of its own, for any lines.
const anything = "…"

// kinds are what is another at each run: of these it is compared only that there is one. What
// opens an account or installs an eSIM is among them, so that no failure prints it.
var kinds = []struct {
	form *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`(LPA:1\$[0-9A-Za-z.-]+)\$[0-9A-Z-]{16,}`), "$1$$<matching ID>"},
	{regexp.MustCompile(`\beyJ[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+`), "<token>"},
	{regexp.MustCompile(`\b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z?`), "<time>"},
	{regexp.MustCompile(`\b89[0-9]{17,18}\b`), "<ICCID>"},
	{regexp.MustCompile(`\b[0-9]{13,18}\b`), "<number>"},
	{regexp.MustCompile(`\b[0-9A-Z]{20,}\b`), "<matching ID>"},
	{regexp.MustCompile(`[█▀▄][█▀▄ ]{20,}`), "<QR code>"},
	{regexp.MustCompile(`(^|\s)([0-9.]+(ms|s|m|h|d))+(\s|$)`), "$1<age>$4"},
}

var blanks = regexp.MustCompile(`[ \t]+`)

// plain is a text without what is another at each run; columns are as wide as what is in them, so
// the width of blanks is no matter.
func plain(text string) string {
	for _, kind := range kinds {
		text = kind.form.ReplaceAllString(text, kind.name)
	}
	return blanks.ReplaceAllString(text, " ")
}

// lines are those of a text, without blanks at their ends and without empty ones at its end.
// Those in a row that begin with a time are sorted: what a reader does in minutes happens here
// within one second, in which entries have another order.
func lines(text string) []string {
	all := strings.Split(strings.TrimRight(plain(text), " \n"), "\n")
	timed := 0 // how many lines before this one begin with a time
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
		if strings.HasPrefix(all[i], "<time>") {
			timed++
			slices.Sort(all[i+1-timed : i+1])
		} else {
			timed = 0
		}
	}
	return all
}

// compare holds what was printed against what the page shows. The error names the line of the
// page that differs.
func compare(path string, shown markdown.Block, printed string) error {
	want, got := lines(shown.Text), lines(printed)
	next := 0
	for i, line := range want {
		if line == anything {
			rest := want[i+1:]
			for len(rest) > 0 && next < len(got) && !same(rest[0], got[next]) {
				next++
			}
			if len(rest) == 0 {
				next = len(got)
			}
			continue
		}
		if next >= len(got) || !same(line, got[next]) {
			printedThen := "nothing more"
			if next < len(got) {
				printedThen = got[next]
			}
			return fmt.Errorf("%s:%d: the page shows\n  %s\nand what was printed is\n  %s\nall of it:\n%s",
				path, shown.Line+i, line, printedThen, indented(strings.Join(got, "\n")))
		}
		next++
	}
	if next < len(got) {
		return fmt.Errorf("%s:%d: more was printed than the page shows:\n%s", path, shown.Line+len(want), indented(strings.Join(got[next:], "\n")))
	}
	return nil
}

// same tells whether a line is what the page shows.
func same(want, got string) bool {
	parts := strings.Split(want, anything)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(got)
}
