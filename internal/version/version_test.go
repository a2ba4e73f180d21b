package version

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheLinkerKnowsBetterThanTheToolchain(t *testing.T) {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	checkout := &debug.BuildInfo{
		Main: debug.Module{Version: "v0.0.0-20260301043000-0123456789ab+dirty"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}, {Key: "vcs.time", Value: "2026-03-01T04:30:00Z"},
		},
	}
	for name, test := range map[string]struct {
		version, commit, date string
		build                 *debug.BuildInfo
		want                  Info
	}{
		"a release": {
			version: "v0.1.0", commit: "fedcba9876543210fedcba9876543210fedcba98", date: "2026-04-01T00:00:00Z", build: checkout,
			want: Info{Version: "v0.1.0", Commit: "fedcba9876543210fedcba9876543210fedcba98", Date: "2026-04-01T00:00:00Z"},
		},
		"built in a checkout": {
			build: checkout,
			want:  Info{Version: checkout.Main.Version, Commit: "0123456789abcdef0123456789abcdef01234567", Date: "2026-03-01T04:30:00Z"},
		},
		"built outside of one": {
			build: &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}},
			want:  Info{Version: "devel", Commit: "unknown", Date: "unknown"},
		},
		"without any information": {
			build: &debug.BuildInfo{},
			want:  Info{Version: "devel", Commit: "unknown", Date: "unknown"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { version, commit, date = "", "", "" })
			version, commit, date = test.version, test.commit, test.date
			test.want.Go, test.want.Platform = runtime.Version(), platform
			if diff := cmp.Diff(test.want, describe(test.build)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestABuildNamesItself(t *testing.T) {
	info := Info{
		Version: "v0.1.0", Commit: "0123456789abcdef0123456789abcdef01234567", Date: "2026-03-01T04:30:00Z",
		Go: "go1.26.8", Platform: "linux/amd64",
	}
	got := map[string]string{
		"people": info.String(), "operators": info.UserAgent(),
		"API server":              info.APIServerAgent("/usr/bin/manager"),
		"API server, unknown":     Info{Version: "devel", Commit: "unknown", Platform: "linux/amd64"}.APIServerAgent("manager.exe"),
		"operators, unreleased":   Info{Version: "v0.0.0-20260301043000-0123456789ab+dirty"}.UserAgent(),
		"people, nothing's known": Info{Version: "devel", Commit: "unknown", Date: "unknown", Go: "go1.26.8", Platform: "linux/amd64"}.String(),
	}
	want := map[string]string{
		"people":                  "v0.1.0 (commit 0123456789ab of 2026-03-01T04:30:00Z, go1.26.8, linux/amd64)",
		"operators":               "esim-operator/v0.1.0",
		"API server":              "manager/v0.1.0 (linux/amd64) esim-operator/0123456789ab",
		"API server, unknown":     "manager/devel (linux/amd64) esim-operator/unknown",
		"operators, unreleased":   "esim-operator/v0.0.0-20260301043000-0123456789ab+dirty",
		"people, nothing's known": "devel (commit unknown of unknown, go1.26.8, linux/amd64)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
