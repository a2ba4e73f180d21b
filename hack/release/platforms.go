package main

import "slices"

// module is what all is built from.
const module = "github.com/telcodev/esim-operator"

// The programs of a release.
const (
	manager   = "manager"
	simulator = "smdp-simulator"
	plugin    = "kubectl-esim"
)

// platform is what a program runs on, in Go's words.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// allPlatforms are those of a release. The manager and the simulator are for clusters: Linux.
var allPlatforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

func platformNames() []string {
	var names []string
	for _, p := range allPlatforms {
		names = append(names, p.String())
	}
	return names
}

// programs are those that run there.
func (p platform) programs() []string {
	if p.os == "linux" {
		return []string{manager, simulator, plugin}
	}
	return []string{plugin}
}

// executable is the name of a program's file.
func (p platform) executable(program string) string {
	if p.os == "windows" {
		return program + ".exe"
	}
	return program
}

// archive is the name of the file that a program is published in.
func (p platform) archive(program string) string {
	name := program + "_" + p.os + "_" + p.arch
	if p.os == "windows" {
		return name + ".zip"
	}
	return name + ".tar.gz"
}

// environment is what a build depends on, beside the sources and the toolchain: whatever else is
// set on the machine does not get into it.
func (p platform) environment(inherited []string) []string {
	set := []string{
		"CGO_ENABLED=0", "GOOS=" + p.os, "GOARCH=" + p.arch, "GOAMD64=v1", "GOARM64=v8.0",
		"GOFLAGS=-mod=readonly", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off", "GOTOOLCHAIN=local",
	}
	return slices.Concat(inherited, set)
}
