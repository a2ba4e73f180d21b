package qrcode_test

import (
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/activation/qrcode"
	"github.com/telcodev/esim-operator/internal/camera"
)

func TestATerminalShowsTheExactCode(t *testing.T) {
	const code = "LPA:1$rsp.example.com$K3TQX9ZW7VJ2M4PBN8RD$$1"
	drawing, err := qrcode.Draw(activation.NewCredential(code))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"plain": drawing.Text(false), "with colours": uncoloured(t, drawing.Text(true))} {
		t.Run(name, func(t *testing.T) {
			got, err := camera.Read(photographed(t, text))
			if err != nil {
				t.Fatalf("no reader can read it: %v\n%s", err, text)
			}
			if got != code {
				t.Errorf("read back as %q, want %q", got, code)
			}
		})
	}
}

// uncoloured takes the colours off, which each line must set and take back.
func uncoloured(t *testing.T, text string) string {
	t.Helper()
	var plain strings.Builder
	for line := range strings.Lines(text) {
		blocks, ok := strings.CutPrefix(line, "\x1b[38;5;231;48;5;16m")
		blocks, closed := strings.CutSuffix(blocks, "\x1b[0m\n")
		if !ok || !closed {
			t.Fatalf("the line %q does not set its colours, or leaves them", line)
		}
		plain.WriteString(blocks + "\n")
	}
	return plain.String()
}

// photographed is what a camera sees of block characters on a dark terminal.
func photographed(t *testing.T, text string) image.Image {
	t.Helper()
	const pixels = 6
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	picture := image.NewGray(image.Rect(0, 0, len([]rune(lines[0]))*pixels, len(lines)*2*pixels))
	for row, line := range lines {
		for column, block := range []rune(line) {
			for y := range 2 * pixels {
				bright := block == '█' || block == '▀' && y < pixels || block == '▄' && y >= pixels
				for x := range pixels {
					if bright {
						picture.SetGray(column*pixels+x, row*2*pixels+y, color.Gray{Y: 255})
					}
				}
			}
		}
	}
	return picture
}
