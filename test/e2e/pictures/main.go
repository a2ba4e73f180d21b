// Command pictures has Mermaid draw every mermaid block of the pages that it is given, in a
// browser, and fails where one cannot be drawn: GitHub would show an error in its place.
//
// It takes npm, which fetches Mermaid, and Chromium, and fails without them.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"github.com/telcodev/esim-operator/internal/markdown"
)

const (
	// mermaid is the version that the pages are held against.
	mermaid = "mermaid@11.17.2"
	maxTime = 3 * time.Minute
)

// picture is a block of Mermaid, and what stands in the way of drawing it.
type picture struct {
	Where string `json:"where"`
	Text  string `json:"text"`
	Error string `json:"error,omitempty"`
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), maxTime)
	drawn, err := look(ctx, os.Args[1:])
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
	fmt.Printf("pictures: %d can be drawn\n", drawn)
}

// look draws the pictures of the pages, and says how many there are.
func look(ctx context.Context, pages []string) (int, error) {
	pictures, err := picturesOf(pages)
	if err != nil {
		return 0, err
	}
	folder, err := os.MkdirTemp("", "pictures-")
	if err != nil {
		return 0, fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	browser, err := tools(ctx, folder)
	if err != nil {
		return 0, err
	}
	if pictures, err = draw(ctx, browser, folder, pictures); err != nil {
		return 0, err
	}
	var failures []error
	for _, p := range pictures {
		if p.Error != "" {
			failures = append(failures, fmt.Errorf("%s: cannot be drawn: %s", p.Where, p.Error))
		}
	}
	return len(pictures), errors.Join(failures...)
}

func picturesOf(pages []string) ([]picture, error) {
	var found []picture
	for _, path := range pages {
		page, err := markdown.Read(path)
		if err != nil {
			return nil, err
		}
		for _, block := range page.Blocks {
			if block.Language == "mermaid" {
				found = append(found, picture{Where: fmt.Sprintf("%s:%d", path, block.Line), Text: block.Text})
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("the pages have no mermaid block")
	}
	return found, nil
}

// tools finds a browser, and has npm put Mermaid into the folder.
func tools(ctx context.Context, folder string) (browser string, err error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if browser, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		return "", errors.New("there is no Chromium to draw in: install the package chromium")
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return "", errors.New("there is no npm to fetch Mermaid with: install the package npm")
	}
	fetch := exec.CommandContext(ctx, "npm", "pack", "--silent", mermaid)
	fetch.Dir = folder
	if out, err := fetch.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm cannot fetch %s: %w: %s", mermaid, err, bytes.TrimSpace(out))
	}
	archives, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return "", fmt.Errorf("npm has fetched %d archives: %w", len(archives), err)
	}
	unpack := exec.CommandContext(ctx, "tar", "-xzf", archives[0], "-C", folder, "package/dist/mermaid.min.js")
	if out, err := unpack.CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpacking %s: %w: %s", mermaid, err, out)
	}
	return browser, nil
}

// page draws the pictures that stand in the place of %s, and shows them with what went wrong.
const page = `<!doctype html><meta charset="utf-8"><script src="package/dist/mermaid.min.js"></script><pre id="result"></pre><script>
(async pictures => {
  mermaid.initialize({startOnLoad: false});
  for (const [i, p] of pictures.entries())
    try { await mermaid.parse(p.text); await mermaid.render("picture" + i, p.text) } catch (e) { p.error = e.message || String(e) }
  document.getElementById("result").textContent = JSON.stringify(pictures);
})(%s)
</script>`

var result = regexp.MustCompile(`(?s)<pre id="result">(.+?)</pre>`)

// draw opens a page with the pictures in the browser, and reads what became of them.
func draw(ctx context.Context, browser, folder string, pictures []picture) ([]picture, error) {
	text, err := json.Marshal(pictures)
	if err != nil {
		return nil, fmt.Errorf("writing the pictures down: %w", err)
	}
	file := filepath.Join(folder, "page.html")
	if err := os.WriteFile(file, fmt.Appendf(nil, page, text), 0o600); err != nil {
		return nil, fmt.Errorf("writing the page: %w", err)
	}
	args := []string{"--headless", "--disable-gpu", "--virtual-time-budget=30000", "--user-data-dir=" + filepath.Join(folder, "profile"), "--dump-dom"}
	if os.Geteuid() == 0 {
		args = append(args, "--no-sandbox") // as root Chromium has none
	}
	command := exec.CommandContext(ctx, browser, append(args, "file://"+file)...)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("opening the page in %s: %w: %s", browser, err, &complaints)
	}
	found := result.FindSubmatch(out)
	if found == nil {
		return nil, fmt.Errorf("the page says nothing of its pictures in %s: %s", browser, &complaints)
	}
	var drawn []picture
	if err := json.Unmarshal([]byte(html.UnescapeString(string(found[1]))), &drawn); err != nil {
		return nil, fmt.Errorf("reading what became of the pictures: %w", err)
	}
	if len(drawn) != len(pictures) {
		return nil, fmt.Errorf("of %d pictures %d were looked at", len(pictures), len(drawn))
	}
	return drawn, nil
}
