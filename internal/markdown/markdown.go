// Package markdown reads from pages of Markdown what tests hold against the world: blocks of
// code, links and headings. It knows the forms that this project's pages use, which are those of
// GitHub: fences of backticks, inline links, and headings that begin with #.
package markdown

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// Block is a block of code between fences.
type Block struct {
	// Language is what stands behind the opening fence, such as sh; empty where nothing does.
	Language string
	// Line of the page on which the text begins, counted from one.
	Line int
	// Section is the anchor of the heading that it stands under; empty above the first one.
	Section string
	// Text without the fences, and without the indentation of the opening one.
	Text string
}

// Link is a link to something else, by the address as it is written.
type Link struct {
	// Line of the page on which it stands, counted from one.
	Line   int
	Target string
}

// Page is one file.
type Page struct {
	// Path as it was read.
	Path   string
	Blocks []Block
	Links  []Link
	// Anchors are what the page's headings can be linked by, as GitHub makes them.
	Anchors map[string]bool
}

var (
	fence = regexp.MustCompile("^( *)(```+)([a-z]*) *$")
	// inlineCode is left out of a line before it is searched for links.
	inlineCode = regexp.MustCompile("`[^`]*`")
	link       = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading    = regexp.MustCompile(`^#{1,6} +(.*?) *#*$`)
	// headingLink is a link in a heading, of which its anchor has the text alone.
	headingLink = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// Read reads the file. The error names the page, and the line of a block that does not end.
func Read(path string) (*Page, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a page: %w", err)
	}
	return Parse(path, string(text))
}

// Parse reads a page from its text.
func Parse(path, text string) (*Page, error) {
	page, seen, section := &Page{Path: path, Anchors: map[string]bool{}}, map[string]int{}, ""
	var block *Block
	var open []string // what the fence that is open matched
	for i, line := range strings.Split(text, "\n") {
		found := fence.FindStringSubmatch(line)
		switch {
		case block != nil && found != nil && found[3] == "" && len(found[2]) >= len(open[2]):
			page.Blocks, block = append(page.Blocks, *block), nil
		case block != nil:
			block.Text += strings.TrimPrefix(line, open[1]) + "\n"
		case found != nil:
			block, open = &Block{Language: found[3], Line: i + 2, Section: section}, found
		default:
			if name := page.prose(i+1, line, seen); name != "" {
				section = name
			}
		}
	}
	if block != nil {
		return nil, fmt.Errorf("%s:%d: the block of code that begins here does not end", path, block.Line-1)
	}
	return page, nil
}

// prose reads a line that is no code, and returns the anchor of a heading. Of headings seen counts
// how often each anchor was made.
func (p *Page) prose(number int, line string, seen map[string]int) string {
	for _, found := range link.FindAllStringSubmatch(inlineCode.ReplaceAllString(line, "code"), -1) {
		p.Links = append(p.Links, Link{Line: number, Target: found[1]})
	}
	found := heading.FindStringSubmatch(line)
	if found == nil {
		return ""
	}
	name := anchor(found[1])
	count := seen[name]
	seen[name]++
	if count > 0 {
		name += "-" + strconv.Itoa(count)
	}
	p.Anchors[name] = true
	return name
}

// anchor is what GitHub makes of a heading: small letters, digits, _ and -, and - for each space.
func anchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, headingLink.ReplaceAllString(title, "$1"))
}
