// Command release makes what is published of a version: static programs in archives, a chart, an
// installer, an image in an OCI layout, lists of what all of it is made of, and checksums. Nothing
// in them comes from the clock, the machine or the working tree: the same commit, built by the same
// Go toolchain, gives the same bytes.
//
//	release [flags] make     build a version into -out
//	release [flags] check    build it twice, in two folders, and compare
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"golang.org/x/mod/semver"
)

// settings are what the command line says.
type settings struct {
	// version is the release's tag in Git, like "v0.1.0".
	version string
	// repository is the image's name without its tag.
	repository string
	// out is the folder that is made.
	out string
	// only is the one platform to build for, as "linux/amd64"; all where it is empty.
	only string
	// cold has the second build of a check start with an empty build cache.
	cold bool
	// kubectl and helm are the programs.
	kubectl, helm string
}

// A repository as the distribution specification has it, with a host that may have a port.
var repositoryName = regexp.MustCompile(`^([a-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "release:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func run(ctx context.Context, args []string) error {
	s, command, err := parse(args)
	if err != nil {
		return err
	}
	root, err := topLevel(ctx)
	if err != nil {
		return err
	}
	source, err := readCommit(ctx, root, s.version)
	if err != nil {
		return err
	}
	if command == "check" {
		return check(ctx, s, source)
	}
	if err := source.publishable(ctx); err != nil {
		return err
	}
	if err := makeRoom(s.out); err != nil {
		return err
	}
	return source.release(ctx, s, s.out, "")
}

// parse reads the command line.
func parse(args []string) (s settings, command string, err error) {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.StringVar(&s.version, "version", "", "`tag` of the release, like v0.1.0")
	flags.StringVar(&s.repository, "repository", "esim-operator", "`name` of the image without its tag, as install.yaml says it")
	flags.StringVar(&s.out, "out", "dist", "`folder` to write, which is emptied first")
	flags.StringVar(&s.only, "only", "", "the one `platform` to build for, like linux/amd64; all where it is left out")
	flags.BoolVar(&s.cold, "cold", false, "check: start the second build with an empty build cache")
	flags.StringVar(&s.kubectl, "kubectl", "kubectl", "kubectl `program`")
	flags.StringVar(&s.helm, "helm", "helm", "helm `program`")
	if err := flags.Parse(args); err != nil {
		return s, "", err
	}
	command = flags.Arg(0)
	switch {
	case flags.NArg() != 1 || command != "make" && command != "check":
		return s, "", errors.New("say what to do: make or check; see --help")
	case !semver.IsValid(s.version) || semver.Canonical(s.version) != s.version:
		return s, "", fmt.Errorf("-version %q is none: give vMAJOR.MINOR.PATCH, with -PRERELEASE if it is one, as the tag in Git is called", s.version)
	case !repositoryName.MatchString(s.repository):
		return s, "", fmt.Errorf("-repository %q is no name of an image: give it without tag and in lower case", s.repository)
	case s.only != "" && len(s.platforms()) == 0:
		return s, "", fmt.Errorf("-only %q is no platform of a release: give one of %s", s.only, strings.Join(platformNames(), ", "))
	}
	return s, command, nil
}

// platforms are those to build for.
func (s settings) platforms() []platform {
	if s.only == "" {
		return allPlatforms
	}
	for _, p := range allPlatforms {
		if p.String() == s.only {
			return []platform{p}
		}
	}
	return nil
}

// chartVersion is the version as the chart has it, which by Helm's custom has no v.
func chartVersion(version string) string { return strings.TrimPrefix(version, "v") }
