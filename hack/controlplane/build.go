package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// heartbeat is how often a build says that it is still alive.
const heartbeat = 30 * time.Second

// build makes the binaries from their Go modules.
type build struct {
	module     string // the folder of this module
	kubernetes string // such as v1.37.2
	log        io.Writer
}

func (*build) name() string { return "building from the Go modules" }

func (b *build) fill(ctx context.Context, dir string) error {
	stamp, err := stampFlags(b.kubernetes)
	if err != nil {
		return err
	}
	sayf(b.log, "building etcd, kube-apiserver and kubectl %s from their Go modules; "+
		"this happens once, and takes about eight minutes on two cores", b.kubernetes)
	for _, target := range []struct{ binary, pkg, usual string }{
		{"etcd", "./etcd", "seconds"},
		{"kube-apiserver", kubernetesModule + "/cmd/kube-apiserver", "about six minutes on two cores"},
		{"kubectl", kubernetesModule + "/cmd/kubectl", "about a minute"},
	} {
		sayf(b.log, "building %s (%s)", target.binary, target.usual)
		start := time.Now()
		args := []string{
			"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", stamp,
			"-o", filepath.Join(dir, target.binary), target.pkg,
		}
		// Static, for this machine, and from this go.mod, whatever the environment says.
		env := []string{"CGO_ENABLED=0", "GOWORK=off", "GOOS=" + runtime.GOOS, "GOARCH=" + runtime.GOARCH}
		stop := every(heartbeat, func() {
			sayf(b.log, "still building %s (%s)", target.binary, time.Since(start).Round(time.Second))
		})
		err := command{dir: b.module, env: env, args: args, stdout: b.log, stderr: b.log}.run(ctx)
		stop()
		if err != nil {
			return fmt.Errorf("building %s: %w", target.binary, err)
		}
		sayf(b.log, "built %s in %s", target.binary, time.Since(start).Round(time.Second))
	}
	return nil
}

// stampFlags are the linker's flags that tell the binaries their version: without it kubectl
// cannot compare itself with a server, nor a server name itself.
func stampFlags(kubernetes string) (string, error) {
	major, minorVersion, err := minor(kubernetes)
	if err != nil {
		return "", err
	}
	var flags []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags,
			"-X "+pkg+".gitVersion="+kubernetes,
			"-X "+pkg+".gitMajor="+major,
			"-X "+pkg+".gitMinor="+minorVersion,
			"-X "+pkg+".gitTreeState=clean",
		)
	}
	return strings.Join(flags, " "), nil
}

// every calls f again and again until it is stopped.
func every(interval time.Duration, f func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				f()
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}
