// Package qrcode draws activation codes as QR codes (SGP.22 section 4.1), black on white and
// with the margin that readers need.
package qrcode

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"github.com/boombuler/barcode/qr"

	"github.com/telcodev/esim-operator/internal/activation"
)

const (
	// quietZone is the margin that readers need, in modules (ISO/IEC 18004 section 6.3.8).
	quietZone = 4
	// moduleSize of the PNG, in pixels: large enough to be read from any screen.
	moduleSize = 8
)

// Drawing is a QR code. It shows an activation code to whoever sees it, and is kept as one.
type Drawing struct{ modules image.Image }

// Draw makes a code's QR code: with error correction M, which survives a worn print, and as
// small as its letters allow, which is alphanumeric where all are capitals. An error does not
// repeat the code.
func Draw(code activation.Credential) (*Drawing, error) {
	modules, err := qr.Encode(code.Reveal(), qr.M, qr.Auto)
	if err != nil {
		// The error may repeat what was to be drawn.
		return nil, fmt.Errorf("drawing a QR code of %d characters failed", len(code.Reveal()))
	}
	return &Drawing{modules: modules}, nil
}

// PNG is the drawing with two colours and eight pixels a module.
func (d *Drawing) PNG() ([]byte, error) {
	side := (d.size() + 2*quietZone) * moduleSize
	picture := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range side {
		for x := range side {
			column, row := x/moduleSize-quietZone, y/moduleSize-quietZone
			if column >= 0 && row >= 0 && column < d.size() && row < d.size() && d.dark(column, row) {
				picture.SetColorIndex(x, y, 1)
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("writing a PNG: %w", err)
	}
	return out.Bytes(), nil
}

// SVG is the drawing with one unit a module.
func (d *Drawing) SVG() []byte {
	side := d.size() + 2*quietZone
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`, side, side)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#fff"/><path fill="#000" d="`, side, side)
	for y := range d.size() {
		for x := range d.size() {
			if d.dark(x, y) {
				fmt.Fprintf(&out, "M%d %dh1v1h-1z", x+quietZone, y+quietZone)
			}
		}
	}
	out.WriteString(`"/></svg>`)
	return out.Bytes()
}

func (d *Drawing) size() int { return d.modules.Bounds().Dx() }

func (d *Drawing) dark(x, y int) bool {
	gray, ok := color.GrayModel.Convert(d.modules.At(x, y)).(color.Gray)
	return ok && gray.Y < 128
}
