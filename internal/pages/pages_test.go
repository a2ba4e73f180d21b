package pages

import (
	"testing"
)

func TestAPageTellsHowToGoOn(t *testing.T) {
	for name, test := range map[string]struct {
		page, want string
		fails      bool
	}{
		"more":                    {page: `{"apiVersion":"v1","items":[{"metadata":{"name":"a"}}],"kind":"L","metadata":{"continue":"next","remainingItemCount":3,"resourceVersion":"7"}}` + "\n", want: "next"},
		"the last":                {page: `{"items":[{"metadata":{"name":"a"}}],"metadata":{"continue":"","resourceVersion":"7"}}`},
		"an item that looks like": {page: `{"items":[{"metadata":{"labels":{"continue":"no"},"resourceVersion":"5"}}],"metadata":{"resourceVersion":"7"}}`},
		"its metadata first":      {page: `{"metadata":{"continue":"next","resourceVersion":"7"},"items":[{"metadata":{"resourceVersion":"5"}}]}`, want: "next"},
		"cut off":                 {page: `{"items":[],"metadata":{"continue":"next","resourceVersion":"7"}`, fails: true},
		"another thing":           {page: `{"kind":"Status","metadata":{}}`, fails: true},
		"nothing":                 {fails: true},
	} {
		got, err := continuation([]byte(test.page))
		if got != test.want || (err != nil) != test.fails {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
