package main

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"
)

// krewManifest fills in .krew.yaml as krew-release-bot does: each archive's address, and its sum as
// it was built. sums are those of all archives by name.
func krewManifest(text []byte, tag string, sums map[string]string) ([]byte, error) {
	address := func(url, tag string) (string, error) {
		filled, err := fill(url, tag, nil)
		if err != nil {
			return "", err
		}
		sum, ok := sums[path.Base(string(filled))]
		if !ok {
			return "", fmt.Errorf("%s is no file of the release", filled)
		}
		return fmt.Sprintf("uri: %s\nsha256: %s", filled, sum), nil
	}
	indent := func(spaces int, text string) string {
		return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", spaces))
	}
	manifest, err := fill(string(text), tag, template.FuncMap{"addURIAndSha": address, "indent": indent})
	if err != nil {
		return nil, fmt.Errorf("filling in .krew.yaml: %w", err)
	}
	return manifest, complete(manifest, tag, sums)
}

func fill(text, tag string, functions template.FuncMap) ([]byte, error) {
	parsed, err := template.New("krew").Funcs(functions).Parse(text)
	if err != nil {
		return nil, err
	}
	var filled bytes.Buffer
	err = parsed.Execute(&filled, struct{ TagName string }{tag})
	return filled.Bytes(), err
}

// complete tells whether a manifest offers each archive of the plugin.
func complete(manifest []byte, tag string, sums map[string]string) error {
	var read struct {
		Spec struct {
			Version   string
			Platforms []struct{ URI, SHA256, Bin string }
		}
	}
	if err := yaml.Unmarshal(manifest, &read); err != nil {
		return fmt.Errorf("reading what .krew.yaml was made into: %w", err)
	}
	if read.Spec.Version != tag {
		return fmt.Errorf(".krew.yaml names the version %q, not %s", read.Spec.Version, tag)
	}
	offered := map[string]bool{}
	for _, p := range read.Spec.Platforms {
		archive := path.Base(p.URI)
		if p.SHA256 != sums[archive] {
			return fmt.Errorf(".krew.yaml gives %s the sum %q, which it has not", archive, p.SHA256)
		}
		if want := strings.HasSuffix(archive, ".zip"); want != strings.HasSuffix(p.Bin, ".exe") {
			return fmt.Errorf(".krew.yaml looks for %q in %s", p.Bin, archive)
		}
		offered[archive] = true
	}
	for _, p := range allPlatforms {
		if !offered[p.archive(plugin)] {
			return fmt.Errorf(".krew.yaml does not offer %s", p.archive(plugin))
		}
	}
	return nil
}
