// Package camera reads QR codes as a phone's camera does, by a reader that shares nothing with
// what has drawn them. Tests look through it at what travellers get.
package camera

import (
	"fmt"
	"image"
	"image/png"
	"io"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// ReadPNG is the text of the QR code in a PNG. It fails where the picture is none, or has no QR
// code in it that can be read.
func ReadPNG(in io.Reader) (string, error) {
	picture, err := png.Decode(in)
	if err != nil {
		return "", fmt.Errorf("reading the picture: %w", err)
	}
	return Read(picture)
}

// Read is the text of the QR code in a picture. It fails where none can be read.
func Read(picture image.Image) (string, error) {
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		return "", fmt.Errorf("looking at the picture: %w", err)
	}
	code, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		return "", fmt.Errorf("finding a QR code in the picture: %w", err)
	}
	return code.GetText(), nil
}
