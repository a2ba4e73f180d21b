package smdp

import (
	"cmp"
	"fmt"
)

// pointDownload is the standard's notification point of a download (SGP.22 section 5.3.5).
const pointDownload = 3

// Points are the numbers of the notification points that a vendor sends. 4, the installation, is
// the standard's; vendors add the others, and contradict each other: 5 is installed at one and
// deleted at another. 0 is this vendor's own number.
type Points struct {
	// Installed, also where the installation failed; 4 where 0.
	Installed int `json:"installed,omitempty"`
	// Enabled; 6 where 0.
	Enabled int `json:"enabled,omitempty"`
	// Disabled; 7 where 0.
	Disabled int `json:"disabled,omitempty"`
	// Deleted; 8 where 0.
	Deleted int `json:"deleted,omitempty"`
}

const maxPoint = 100_000

func (p Points) check() error {
	for name, point := range map[string]int{
		"installed": p.Installed, "enabled": p.Enabled, "disabled": p.Disabled, "deleted": p.Deleted,
	} {
		if point < 0 || point > maxPoint {
			return fmt.Errorf("notifications: the point %s must lie between 1 and %d, or be 0 for the usual one", name, maxPoint)
		}
	}
	return nil
}

func (Points) download() int    { return pointDownload }
func (p Points) installed() int { return cmp.Or(p.Installed, 4) }
func (p Points) enabled() int   { return cmp.Or(p.Enabled, 6) }
func (p Points) disabled() int  { return cmp.Or(p.Disabled, 7) }
func (p Points) deleted() int   { return cmp.Or(p.Deleted, 8) }
