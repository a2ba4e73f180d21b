package server

import (
	"net/http"
	"strconv"
)

// defaultPerPage is how many items a page has where the request does not say.
const defaultPerPage = 50

// paging is which page is asked for, and how large pages are. The document bounds both.
func paging(page, perPage, limit *int64) (number, size int) {
	number, size = 1, defaultPerPage
	if page != nil {
		number = int(*page)
	}
	switch {
	case perPage != nil:
		size = int(*perPage)
	case limit != nil:
		size = int(*limit)
	}
	return number, size
}

// listHeaders are those of every list, in the form of the generated answers.
type listHeaders struct {
	XHasMore    bool
	XPage       int64
	XPageSize   int64
	XPerPage    int64
	XTotalCount int64
	XTotalPages int64
}

// pageHeaders tell where a page is in its list.
func pageHeaders(number, size, items, total int) listHeaders {
	pages := (total + size - 1) / size
	return listHeaders{
		XHasMore: number < pages, XPage: int64(number), XPageSize: int64(items),
		XPerPage: int64(size), XTotalCount: int64(total), XTotalPages: int64(pages),
	}
}

// write sets the headers, and that of a list in JSON.
func (h listHeaders) write(to http.Header) {
	// One array for the values of all: most of what a list from memory costs is its headers.
	values := []string{
		jsonType, strconv.FormatBool(h.XHasMore), strconv.FormatInt(h.XPage, 10), strconv.FormatInt(h.XPageSize, 10),
		strconv.FormatInt(h.XPerPage, 10), strconv.FormatInt(h.XTotalCount, 10), strconv.FormatInt(h.XTotalPages, 10),
	}
	for i, name := range [...]string{
		"Content-Type", "X-Has-More", "X-Page", "X-Page-Size", "X-Per-Page", "X-Total-Count", "X-Total-Pages",
	} {
		to[name] = values[i : i+1 : i+1]
	}
}

// orZero is what a pointer points to; the zero value for nil.
func orZero[T any](value *T) T {
	if value == nil {
		var zero T
		return zero
	}
	return *value
}
