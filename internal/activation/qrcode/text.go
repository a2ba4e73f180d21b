package qrcode

import "strings"

// What a terminal is told: exactly white on exactly black, whatever the colours of its theme, and
// back to what was.
const (
	whiteOnBlack = "\x1b[38;5;231;48;5;16m"
	asBefore     = "\x1b[0m"
)

// Text is the drawing in block characters, two modules in each, the lower below the upper. White
// modules are drawn and dark ones left out, which is right on a dark ground. With colours the
// ground is made dark, so that it can be read from any terminal.
func (d *Drawing) Text(colours bool) string {
	side := d.size() + 2*quietZone
	white := func(x, y int) bool {
		column, row := x-quietZone, y-quietZone
		inside := column >= 0 && row >= 0 && column < d.size() && row < d.size()
		return !inside || !d.dark(column, row)
	}
	var out strings.Builder
	for y := 0; y < side; y += 2 {
		if colours {
			out.WriteString(whiteOnBlack)
		}
		for x := range side {
			switch upper, lower := white(x, y), y+1 < side && white(x, y+1); {
			case upper && lower:
				out.WriteRune('█')
			case upper:
				out.WriteRune('▀')
			case lower:
				out.WriteRune('▄')
			default:
				out.WriteRune(' ')
			}
		}
		if colours {
			out.WriteString(asBefore)
		}
		out.WriteByte('\n')
	}
	return out.String()
}
