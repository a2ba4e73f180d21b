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
	to.Set("Content-Type", jsonType)
	to.Set("X-Has-More", strconv.FormatBool(h.XHasMore))
	to.Set("X-Page", strconv.FormatInt(h.XPage, 10))
	to.Set("X-Page-Size", strconv.FormatInt(h.XPageSize, 10))
	to.Set("X-Per-Page", strconv.FormatInt(h.XPerPage, 10))
	to.Set("X-Total-Count", strconv.FormatInt(h.XTotalCount, 10))
	to.Set("X-Total-Pages", strconv.FormatInt(h.XTotalPages, 10))
}

// orZero is what a pointer points to; the zero value for nil.
func orZero[T any](value *T) T {
	if value == nil {
		var zero T
		return zero
	}
	return *value
}
