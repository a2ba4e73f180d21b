package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/telcodev/esim-operator/internal/markdown"
)

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string { return strings.Join(*l, ", ") }

// Set takes one more.
func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// choice is what of a page is run, and with what in place of what it has.
type choice struct {
	apply                      bool
	replace, only, but, absent list
}

// ofGroup is a line of a manifest that says what group its kind is of; the core group has no name.
var ofGroup = regexp.MustCompile(`(?m)^apiVersion: (?:([^\s/]+)/)?v[0-9a-z]+$`)

// from takes the blocks from a page. It is an error to ask for what the page does not have: a
// page that was changed would be run in part, or as it is for nobody.
func (c choice) from(page *markdown.Page) ([]markdown.Block, error) {
	errs := []error{c.known(page)}
	missed := map[string]bool{}
	for _, group := range c.absent {
		missed[group] = true
	}
	var taken []markdown.Block
	for _, block := range page.Blocks {
		if (len(c.only) > 0 && !slices.Contains(c.only, block.Section)) || slices.Contains(c.but, block.Section) {
			continue
		}
		if block.Language == "yaml" {
			groups := ofGroup.FindAllStringSubmatch(block.Text, -1)
			away := slices.IndexFunc(groups, func(group []string) bool { return slices.Contains(c.absent, group[1]) })
			if away >= 0 {
				delete(missed, groups[away][1])
			}
			if !c.apply || len(groups) == 0 || away >= 0 {
				continue
			}
		}
		taken = append(taken, block)
	}
	for group := range missed {
		errs = append(errs, fmt.Errorf("%s: there is no manifest of the group %s", page.Path, group))
	}
	return taken, errors.Join(append(errs, c.put(page.Path, taken))...)
}

// known is an error for each section that the page does not have.
func (c choice) known(page *markdown.Page) error {
	var errs []error
	for _, section := range slices.Concat(c.only, c.but) {
		if !page.Anchors[section] {
			errs = append(errs, fmt.Errorf("%s: there is no section %s", page.Path, section))
		}
	}
	return errors.Join(errs...)
}

// put replaces what is to be replaced in the blocks.
func (c choice) put(path string, blocks []markdown.Block) error {
	var errs []error
	for _, pair := range c.replace {
		before, after, ok := strings.Cut(pair, "=")
		if !ok || before == "" {
			errs = append(errs, fmt.Errorf("-replace %q: it takes OLD=NEW", pair))
			continue
		}
		found := false
		for i := range blocks {
			found = found || strings.Contains(blocks[i].Text, before)
			blocks[i].Text = strings.ReplaceAll(blocks[i].Text, before, after)
		}
		if !found {
			errs = append(errs, fmt.Errorf("%s: there is no %q to replace", path, before))
		}
	}
	return errors.Join(errs...)
}
