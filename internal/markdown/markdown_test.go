package markdown

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// page is written with ' for `, which Go's raw strings cannot hold.
const page = `# The way: an order's _first_ day

See [money](money.md#a-wallet) and ![a picture](way.svg), but not '[this](code.md)'.

'''sh
kubectl get esim    # [no](link.md)
# no heading either
'''

1. In a list:

   '''yaml
   spec:
     cancel: true
   '''

## [A wallet](money.md), and 'spec'

## Again

## Again

''''text
'''
''''
`

func TestAPageIsReadToItsLastBlock(t *testing.T) {
	got, err := Parse("page.md", strings.ReplaceAll(page, "'", "`"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Page{
		Path: "page.md",
		Blocks: []Block{
			{Language: "sh", Line: 6, Section: "the-way-an-orders-_first_-day", Text: "kubectl get esim    # [no](link.md)\n# no heading either\n"},
			{Language: "yaml", Line: 13, Section: "the-way-an-orders-_first_-day", Text: "spec:\n  cancel: true\n"},
			{Language: "text", Line: 24, Section: "again-1", Text: "```\n"},
		},
		Links: []Link{{Line: 3, Target: "money.md#a-wallet"}, {Line: 3, Target: "way.svg"}, {Line: 17, Target: "money.md"}},
		Anchors: map[string]bool{
			"the-way-an-orders-_first_-day": true, "a-wallet-and-spec": true, "again": true, "again-1": true,
		},
	}
	// The apostrophe of the title became a backtick, too, which anchors leave out.
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestABlockThatDoesNotEndIsNamed(t *testing.T) {
	_, err := Parse("page.md", "text\n\n```sh\ntrue\n")
	if err == nil || !strings.Contains(err.Error(), "page.md:3:") {
		t.Errorf("got %v, want the line on which the block begins", err)
	}
}
