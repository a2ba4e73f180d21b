package webapi

import (
	"net/url"
	"strings"
)

// Books is what a driver's Books are: see operators.Bookkeeper.
func (c *Client) Books() string { return c.books }

// booksOf names the books that are kept at an address. How the address is written does not
// matter: host names have no case, 443 is what https means, and a slash at the end adds nothing.
func booksOf(vendor string, base *url.URL, account string) string {
	host := strings.TrimSuffix(strings.ToLower(base.Host), ":443")
	return strings.Join([]string{vendor, host + strings.TrimRight(base.EscapedPath(), "/"), account}, " ")
}
