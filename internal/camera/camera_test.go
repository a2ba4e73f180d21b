package camera

import (
	"bytes"
	"image"
	"image/png"
	"testing"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"
)

func written(t *testing.T, picture image.Image) *bytes.Buffer {
	t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		t.Fatal(err)
	}
	return &file
}

func TestAQRCodeIsReadToTheLetter(t *testing.T) {
	const text = "LPA:1$rsp.example.com$K3T-0123456789"
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	if code, err = barcode.Scale(code, 300, 300); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadPNG(written(t, code)); got != text || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestWhatHasNoQRCodeIsAFailure(t *testing.T) {
	for name, file := range map[string]*bytes.Buffer{
		"no picture":         bytes.NewBufferString("LPA:1$rsp.example.com$K3T"),
		"an empty picture":   written(t, image.NewGray(image.Rect(0, 0, 300, 300))),
		"half of a picture":  bytes.NewBuffer(written(t, image.NewGray(image.Rect(0, 0, 300, 300))).Bytes()[:60]),
		"a picture of a dot": written(t, image.NewGray(image.Rect(0, 0, 1, 1))),
	} {
		if got, err := ReadPNG(file); err == nil {
			t.Errorf("%s: read %q", name, got)
		}
	}
}
