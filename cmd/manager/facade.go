package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/internal/facade"
)

// facadeRole serves the REST API until ctx ends, and then lets requests in flight end.
func facadeRole(ctx context.Context, args []string) (err error) {
	config, err := facade.ReadConfig(args)
	if err != nil {
		return err
	}
	lines := facade.NewLogBuffer(os.Stderr)
	defer func() { err = errors.Join(err, lines.Close()) }()
	log := facade.NewLog(lines, config.LogLevel)
	ctrl.SetLogger(log)
	restConfig, err := identity(config.Kubeconfig)
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	served, err := facade.New(ctx, restConfig, config, log.WithName("facade"))
	if err != nil {
		return err
	}
	return served.Run(ctx)
}
