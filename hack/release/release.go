package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
)

// Names of what is in a release, beside the archives.
const (
	installer   = "install.yaml"
	imageFolder = "image"
	imageFile   = "esim-operator-image.tar"
	digestFile  = "esim-operator-image.digest"
	krewFile    = "esim.yaml"
)

// release makes all of a release of a commit in the folder out. A build cache that is named is used
// in place of the machine's.
func (c commit) release(ctx context.Context, s settings, out, cache string) error {
	work, err := os.MkdirTemp("", "esim-operator-release")
	if err != nil {
		return fmt.Errorf("making a folder to build in: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // a leftover in the system's folder for such
	source, programs := filepath.Join(work, "source"), filepath.Join(work, "programs")
	for _, folder := range []string{source, programs, out} {
		if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // for everybody to read
			return fmt.Errorf("making a folder: %w", err)
		}
	}
	if err := c.checkout(ctx, source); err != nil {
		return err
	}
	files, err := c.build(ctx, source, programs, cache, s.platforms())
	if err != nil {
		return err
	}
	texts, err := c.legal(ctx, source, out, files)
	if err != nil {
		return err
	}
	if err := c.archives(out, files, texts); err != nil {
		return err
	}
	if err := c.publishImage(out, files, texts[manager]); err != nil {
		return err
	}
	return c.manifests(ctx, s, source, out)
}

// texts are the LICENSE and the notices that go with a program.
type texts map[string][]entry

// legal writes the bill of materials of each program, and returns what goes into its archives.
func (c commit) legal(ctx context.Context, source, out string, files built) (texts, error) {
	licence, err := os.ReadFile(filepath.Join(source, "LICENSE"))
	if err != nil {
		return nil, fmt.Errorf("reading the licence: %w", err)
	}
	all := texts{}
	for _, program := range []string{manager, simulator, plugin} {
		modules, toolchain, err := read(files.of(program))
		if err != nil {
			return nil, err
		}
		if len(modules) == 0 {
			continue // not built for the one platform that was asked for
		}
		terms, err := termsOf(ctx, source, modules)
		if err != nil {
			return nil, err
		}
		if err := c.saveBill(out, program, modules, toolchain, terms); err != nil {
			return nil, err
		}
		all[program] = []entry{{name: "LICENSE", content: licence}, {name: "NOTICES.txt", content: notices(modules, terms)}}
	}
	return all, nil
}

func (c commit) saveBill(out, program string, modules []debug.Module, toolchain string, of map[string]terms) error {
	bill, err := c.bill(program, modules, toolchain, of)
	if err != nil {
		return err
	}
	return save(filepath.Join(out, program+".cdx.json"), func(to io.Writer) error { return writeBill(to, bill) })
}

// of are the files of a program on all platforms.
func (b built) of(program string) []string {
	var files []string
	for _, p := range allPlatforms {
		if file, ok := b[p][program]; ok {
			files = append(files, file)
		}
	}
	return files
}

// archives writes each program with its licences into the file that it is published in.
func (c commit) archives(out string, files built, texts texts) error {
	for p, programs := range files {
		for program, file := range programs {
			content, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("reading what was built: %w", err)
			}
			entries := append([]entry{{name: p.executable(program), content: content, executable: true}}, texts[program]...)
			format := writeTarGz
			if p.os == "windows" {
				format = writeZip
			}
			if err := save(filepath.Join(out, p.archive(program)), func(to io.Writer) error { return format(to, c.date, entries) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// publishImage writes the image as a layout, to be pushed, and as one file, to be attached; and its
// digest.
func (c commit) publishImage(out string, files built, legal []entry) error {
	trusted, err := authorities()
	if err != nil {
		return err
	}
	var images []contents
	for _, p := range allPlatforms {
		file, ok := files[p][manager]
		if !ok {
			continue
		}
		program, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading what was built: %w", err)
		}
		images = append(images, contents{platform: p, base: base(trusted, legal), program: program})
	}
	if len(images) == 0 {
		return nil // not built for the one platform that was asked for
	}
	index, err := c.index(images)
	if err != nil {
		return err
	}
	folder := filepath.Join(out, imageFolder)
	digest, err := c.writeLayout(folder, index)
	if err != nil {
		return err
	}
	if err := validateLayout(folder, digest); err != nil {
		return err
	}
	entries, err := layoutEntries(folder)
	if err != nil {
		return err
	}
	if err := save(filepath.Join(out, imageFile), func(to io.Writer) error { return writeTar(to, c.date, entries) }); err != nil {
		return err
	}
	return save(filepath.Join(out, digestFile), func(to io.Writer) error {
		_, err := fmt.Fprintln(to, digest)
		return err
	})
}

// manifests writes what is applied, installed by Helm, and fetched by krew; and the sums of all.
func (c commit) manifests(ctx context.Context, s settings, source, out string) error {
	script := filepath.Join(source, "hack", "tools", "installer.sh")
	if _, err := output(exec.CommandContext(ctx, script, s.kubectl, s.repository+":"+c.version, filepath.Join(out, installer))); err != nil {
		return err
	}
	if _, err := c.chart(ctx, s.helm, source, out); err != nil {
		return err
	}
	sums, err := sumsOf(out)
	if err != nil {
		return err
	}
	// krew's index has one file for all platforms: there is none where only one was built.
	if s.only == "" {
		template, err := os.ReadFile(filepath.Join(source, ".krew.yaml"))
		if err != nil {
			return fmt.Errorf("reading the template of krew's manifest: %w", err)
		}
		manifest, err := krewManifest(template, c.version, sums)
		if err != nil {
			return err
		}
		if err := save(filepath.Join(out, krewFile), func(to io.Writer) error { _, err := to.Write(manifest); return err }); err != nil {
			return err
		}
		sums[krewFile] = sum(manifest)
	}
	return save(filepath.Join(out, sumsFile), func(to io.Writer) error {
		_, err := io.WriteString(to, sumsText(sums))
		return err
	})
}
