// Command controlplane finds or makes the binaries of a Kubernetes control plane, etcd,
// kube-apiserver and kubectl, and prints the folder that holds them. What it is doing goes
// to standard error.
//
// It looks, in this order, at KUBEBUILDER_ASSETS; at what an earlier run has left in the
// user's cache; at setup-envtest's download, for a minute at most; and else it builds all
// three from their Go modules, which takes minutes once. It uses the standard library
// alone, so that `go run .` in this folder starts at once on a fresh machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
)

func main() {
	folder := flag.String("C", ".", "`folder` of this module, hack/controlplane")
	flag.Usage = func() {
		_, _ = fmt.Fprintf(flag.CommandLine.Output(), // nobody could be told that it failed
			"Prints the folder of etcd, kube-apiserver and kubectl, after making them where needed.\n\nFlags:\n")
		flag.PrintDefaults()
	}
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	assets, err := run(ctx, *folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop, the only deferred call, has been made.
	}
	fmt.Println(assets)
}

func run(ctx context.Context, folder string) (string, error) {
	module, err := filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("finding the module's folder: %w", err)
	}
	versions, err := readVersions(ctx, module)
	if err != nil {
		return "", err
	}
	userCache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the user's cache folder (set HOME or XDG_CACHE_HOME): %w", err)
	}
	f := &finder{
		given: os.Getenv(givenVariable),
		cache: filepath.Join(userCache, "esim-operator", "controlplane"),
		key:   versions.key(runtime.GOOS, runtime.GOARCH),
		sources: []source{
			&download{tools: filepath.Join(module, "..", "tools"), kubernetes: versions.Kubernetes, log: os.Stderr},
			&build{module: module, kubernetes: versions.Kubernetes, log: os.Stderr},
		},
		log: os.Stderr,
	}
	return f.find(ctx)
}
