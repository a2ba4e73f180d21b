package qrcode_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/activation/qrcode"
	"github.com/telcodev/esim-operator/internal/camera"
)

func TestAReaderReadsBackTheExactCode(t *testing.T) {
	for _, code := range []string{
		"LPA:1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815",
		"LPA:1$rsp.example.com$K3TQX9ZW7VJ2M4PBN8RD$$1",
		"LPA:1$rsp.example.com$",
		"LPA:1$rsp.example.com$" + strings.Repeat("K", activation.MaxCodeLength-22),
	} {
		picture := drawn(t, code)
		got, err := camera.Read(picture)
		if err != nil {
			t.Fatalf("no reader can read the QR code of %q: %v", code, err)
		}
		if got != code {
			t.Errorf("read back as %q, want %q", got, code)
		}
	}
}

func TestTheMarginIsWhite(t *testing.T) {
	picture := drawn(t, "LPA:1$rsp.example.com$K3TQX9ZW7VJ2M4PBN8RD")
	const margin = 4 * 8
	side := picture.Bounds().Dx()
	for y := range side {
		for x := range side {
			inside := x >= margin && y >= margin && x < side-margin && y < side-margin
			if r, g, b, a := picture.At(x, y).RGBA(); !inside && r&g&b&a != 0xffff {
				t.Fatalf("the pixel at %d, %d of the margin is not opaque white", x, y)
			}
		}
	}
	if picture.At(margin, margin) == (color.RGBA{255, 255, 255, 255}) {
		t.Error("the corner of the finder pattern is not where the margin ends")
	}
}

func TestAnErrorDoesNotRepeatTheCode(t *testing.T) {
	_, err := qrcode.Draw(activation.NewCredential(strings.Repeat("SECRET", 1000)))
	if err == nil {
		t.Fatal("drew more than a QR code can hold")
	}
	if strings.Contains(err.Error(), "SECRET") {
		t.Errorf("the error repeats the code: %.100s", err)
	}
}

func drawn(t *testing.T, code string) image.Image {
	t.Helper()
	drawing, err := qrcode.Draw(activation.NewCredential(code))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := drawing.PNG()
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}
