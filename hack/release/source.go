package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// commit is what a release is built from.
type commit struct {
	// root is the checkout that it is read from.
	root string
	// version is the release's tag.
	version string
	// hash of the commit, in full.
	hash string
	// date of the commit, UTC: the time of everything in a release.
	date time.Time
}

// topLevel is the checkout that the working directory is in.
func topLevel(ctx context.Context) (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the checkout: %w", err)
	}
	return git(ctx, here, "rev-parse", "--show-toplevel")
}

// readCommit reads HEAD.
func readCommit(ctx context.Context, root, version string) (commit, error) {
	hash, err := git(ctx, root, "rev-parse", "HEAD")
	if err != nil {
		return commit{}, err
	}
	at, err := git(ctx, root, "show", "--no-patch", "--format=%cI", hash)
	if err != nil {
		return commit{}, err
	}
	date, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return commit{}, fmt.Errorf("reading the time of %s: %w", hash, err)
	}
	return commit{root: root, version: version, hash: hash, date: date.UTC()}, nil
}

// publishable tells whether a commit may be given its version: where the tag exists already, it must
// be that commit's. What is not committed is only told of: it does not get into the release.
func (c commit) publishable(ctx context.Context) error {
	tagged, err := git(ctx, c.root, "for-each-ref", "--format=%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)", "refs/tags/"+c.version)
	if err != nil {
		return err
	}
	if tagged != "" && tagged != c.hash {
		return fmt.Errorf("the tag %s is on commit %s, and HEAD is %s: check out the tag, or choose another version", c.version, tagged, c.hash)
	}
	changes, err := git(ctx, c.root, "status", "--porcelain")
	if err != nil {
		return err
	}
	if changes != "" {
		fmt.Fprintf(os.Stderr, "release: what is not committed is not in it:\n%s\n", changes)
	}
	return nil
}

// stamp is the commit's time as it is written into files.
func (c commit) stamp() string { return c.date.Format(time.RFC3339) }

// checkout writes the commit's files into a folder: nothing that is not committed gets into a
// release.
func (c commit) checkout(ctx context.Context, folder string) error {
	archive := exec.CommandContext(ctx, "git", "-C", c.root, "archive", "--format=tar", c.hash)
	var complaints bytes.Buffer
	archive.Stderr = &complaints
	files, err := archive.StdoutPipe()
	if err != nil {
		return fmt.Errorf("reading commit %s: %w", c.hash, err)
	}
	if err := archive.Start(); err != nil {
		return fmt.Errorf("reading commit %s: %w", c.hash, err)
	}
	err = unpack(files, folder)
	if ended := archive.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("%w: %s", ended, complaints.String())
	}
	if err != nil {
		return fmt.Errorf("writing the files of commit %s: %w", c.hash, err)
	}
	return nil
}

// unpack writes folders and files of a tar archive; it holds no other kinds.
func unpack(archive io.Reader, folder string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	reader := tar.NewReader(archive)
	for err == nil {
		var header *tar.Header
		if header, err = reader.Next(); err != nil {
			break
		}
		name := filepath.Clean(header.Name)
		switch header.Typeflag {
		case tar.TypeXGlobalHeader: // git's note of the commit
		case tar.TypeDir:
			err = root.MkdirAll(name, 0o755)
		case tar.TypeReg:
			err = write(root, name, header.FileInfo().Mode().Perm(), reader)
		default:
			err = fmt.Errorf("%s is neither file nor folder", header.Name)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, root.Close())
}

func write(root *os.Root, name string, mode os.FileMode, content io.Reader) error {
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

func git(ctx context.Context, folder string, args ...string) (string, error) {
	out, err := output(exec.CommandContext(ctx, "git", append([]string{"-C", folder}, args...)...))
	return strings.TrimSpace(string(out)), err
}

// output runs a command and returns what it says; an error has what it complained of.
func output(command *exec.Cmd) ([]byte, error) {
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(command.Args, " "), err, bytes.TrimSpace(complaints.Bytes()))
	}
	return out, nil
}
