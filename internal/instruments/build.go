package instruments

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/telcodev/esim-operator/internal/version"
)

// Registered with the registry that both programs' /metrics show.
var _ = showBuild(version.Get())

func showBuild(build version.Info) prometheus.Gauge {
	info := Registered(Define(Both, Gauge, "esim_build_info",
		"1, with the version of the program, the commit that it was built of, and the Go toolchain that built it.",
		"version", "commit", "go_version").NewGaugeVec())
	shown := info.WithLabelValues(build.Version, build.Commit, build.Go)
	shown.Set(1)
	return shown
}
