package server

import (
	"bytes"
	"context"

	"github.com/telcodev/esim-operator/internal/activation/qrcode"
	"github.com/telcodev/esim-operator/internal/facade/wire"
)

// GetOrderQRPNG draws an order's activation code as PNG.
func (s *Server) GetOrderQRPNG(ctx context.Context, r wire.GetOrderQRPNGRequestObject) (wire.GetOrderQRPNGResponseObject, error) {
	drawn, err := s.draw(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	picture, err := drawn.PNG()
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
	picture := drawn.SVG()
	return wire.GetOrderQRSVG200ImageSVGXMLResponse{
		Body: bytes.NewReader(picture), ContentLength: int64(len(picture)),
		Headers: wire.GetOrderQRSVG200ResponseHeaders{CacheControl: noStore},
	}, nil
}

func (s *Server) draw(ctx context.Context, id int64) (*qrcode.Drawing, error) {
	code, err := s.shown(ctx, id)
	if err != nil {
		return nil, err
	}
	return qrcode.Draw(code)
}
