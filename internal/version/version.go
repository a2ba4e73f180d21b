// Package version tells which build of the project a program is: the one place that holds it.
package version

import (
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// What the linker writes at a release, by -X; hack/release names them, and the Dockerfile.
var (
	// version is the release's tag in Git, like "v0.1.0".
	version string
	// commit is the full hash of the commit that was built.
	commit string
	// date is the time of that commit in UTC, RFC 3339: never that of the build, so that the same
	// commit gives the same bytes.
	date string
)

const (
	// project is what programs call themselves to others.
	project = "esim-operator"
	// unknown is said of what neither the linker nor the Go toolchain told.
	unknown = "unknown"
	// shortCommit is how much of a commit's hash is enough for people.
	shortCommit = 12
)

// Info is what a program knows of its build.
type Info struct {
	// Version is the release's tag; of other builds what the Go toolchain made up for the commit,
	// and "devel" where it knows none.
	Version string `json:"version"`
	// Commit is the full hash of the commit, or "unknown".
	Commit string `json:"commit"`
	// Date is the time of the commit, RFC 3339, or "unknown".
	Date string `json:"date"`
	// Go is the version of the toolchain, like "go1.26.8".
	Go string `json:"go"`
	// Platform is operating system and architecture, like "linux/amd64".
	Platform string `json:"platform"`
}

// running is read once: calls to operators name it each time.
var running = sync.OnceValue(func() Info {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		build = &debug.BuildInfo{}
	}
	return describe(build)
})

// Get tells of the running program.
func Get() Info { return running() }

// describe prefers what the linker wrote to what the Go toolchain knows.
func describe(build *debug.BuildInfo) Info {
	info := Info{
		Version: version, Commit: commit, Date: date,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	settings := map[string]string{}
	for _, setting := range build.Settings {
		settings[setting.Key] = setting.Value
	}
	info.Version = first(info.Version, strings.Trim(build.Main.Version, "()"), "devel")
	info.Commit = first(info.Commit, settings["vcs.revision"], unknown)
	info.Date = first(info.Date, settings["vcs.time"], unknown)
	return info
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// String is one line for people.
func (i Info) String() string {
	return fmt.Sprintf("%s (commit %s of %s, %s, %s)", i.Version, i.short(), i.Date, i.Go, i.Platform)
}

func (i Info) short() string { return i.Commit[:min(len(i.Commit), shortCommit)] }

// UserAgent is how the programs name themselves to mobile operators (RFC 9110 section 10.1.5).
func (i Info) UserAgent() string { return project + "/" + i.Version }

// APIServerAgent is how a program names itself to the API server, whose audit log and metrics show
// it: the name that it was started by, as client-go has it, the version, and what it belongs to.
func (i Info) APIServerAgent(program string) string {
	name := strings.TrimSuffix(filepath.Base(program), ".exe")
	return fmt.Sprintf("%s/%s (%s) %s/%s", name, i.Version, i.Platform, project, i.short())
}
