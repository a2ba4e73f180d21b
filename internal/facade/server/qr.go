package server

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"github.com/boombuler/barcode/qr"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/facade/wire"
)

const (
	// quietZone is the margin that readers need, in modules (ISO/IEC 18004 section 6.3.8).
	quietZone = 4
	// moduleSize of the PNG, in pixels: large enough to be read from any screen.
	moduleSize = 8
)

// GetOrderQRPNG draws an order's activation code as PNG.
func (s *Server) GetOrderQRPNG(ctx context.Context, r wire.GetOrderQRPNGRequestObject) (wire.GetOrderQRPNGResponseObject, error) {
	drawn, err := s.draw(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	picture, err := drawn.png()
	if err != nil {
		return nil, err
	}
	return wire.GetOrderQRPNG200ImagePNGResponse{
		Body: bytes.NewReader(picture), ContentLength: int64(len(picture)),
		Headers: wire.GetOrderQRPNG200ResponseHeaders{CacheControl: noStore},
	}, nil
}

// GetOrderQRSVG draws an order's activation code as SVG.
func (s *Server) GetOrderQRSVG(ctx context.Context, r wire.GetOrderQRSVGRequestObject) (wire.GetOrderQRSVGResponseObject, error) {
	drawn, err := s.draw(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	picture := drawn.svg()
	return wire.GetOrderQRSVG200ImageSVGXMLResponse{
		Body: bytes.NewReader(picture), ContentLength: int64(len(picture)),
		Headers: wire.GetOrderQRSVG200ResponseHeaders{CacheControl: noStore},
	}, nil
}

func (s *Server) draw(ctx context.Context, id int64) (*drawing, error) {
	code, err := s.shown(ctx, id)
	if err != nil {
		return nil, err
	}
	return draw(code)
}

// drawing is a QR code, without its margin.
type drawing struct{ modules image.Image }

// draw makes a code's QR code: with error correction M, which survives a worn print, and as
// small as its letters allow, which is alphanumeric where all are capitals.
func draw(code activation.Credential) (*drawing, error) {
	modules, err := qr.Encode(code.Reveal(), qr.M, qr.Auto)
	if err != nil {
		// The error may repeat what was to be drawn.
		return nil, fmt.Errorf("drawing a QR code of %d characters failed", len(code.Reveal()))
	}
	return &drawing{modules: modules}, nil
}

func (d *drawing) size() int { return d.modules.Bounds().Dx() }

func (d *drawing) dark(x, y int) bool {
	gray, ok := color.GrayModel.Convert(d.modules.At(x, y)).(color.Gray)
	return ok && gray.Y < 128
}

func (d *drawing) png() ([]byte, error) {
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

func (d *drawing) svg() []byte {
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
