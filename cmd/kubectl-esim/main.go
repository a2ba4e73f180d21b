// Command kubectl-esim is a plugin of kubectl: with it in the PATH, `kubectl esim` buys and looks
// after eSIMs.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/telcodev/esim-operator/internal/plugin/command"
	"github.com/telcodev/esim-operator/internal/version"
)

func main() {
	// Clients of the API server would complain of having nowhere to complain to.
	log.SetLogger(logr.Discard())
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	if err := command.New(command.Real(streams, version.Get())).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "kubectl esim:", err)
		return 1
	}
	return 0
}
