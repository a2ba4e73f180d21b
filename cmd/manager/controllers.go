package main

import (
	"context"
	"fmt"
	"os"

	"go.uber.org/zap/zapcore"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/version"
)

// controllersRole runs the controllers until ctx ends, and then lets calls in flight end.
func controllersRole(ctx context.Context, args []string) error {
	config, err := manager.ReadConfig(args)
	if err != nil {
		return err
	}
	ctrl.SetLogger(zap.New(zap.Level(zapLevel(config.LogLevel)), zap.JSONEncoder(rfc3339)))
	restConfig, err := identity(config.Kubeconfig)
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	mgr, err := manager.New(ctx, restConfig, config, manager.Options{})
	if err != nil {
		return err
	}
	return manager.Run(ctx, mgr)
}

// identity is the manager's: the named kubeconfig's, else what KUBECONFIG or the Pod gives.
func identity(kubeconfig string) (*rest.Config, error) {
	load := ctrl.GetConfig
	if kubeconfig != "" {
		load = func() (*rest.Config, error) { return clientcmd.BuildConfigFromFlags("", kubeconfig) }
	}
	config, err := load()
	if err != nil {
		return nil, err
	}
	config.UserAgent = version.Get().APIServerAgent(os.Args[0])
	return config, nil
}

func rfc3339(encoder *zapcore.EncoderConfig) { encoder.EncodeTime = zapcore.RFC3339NanoTimeEncoder }

func zapLevel(name string) zapcore.Level {
	switch name {
	case "debug":
		return zapcore.DebugLevel
	case "error":
		return zapcore.ErrorLevel
	default:
		return zapcore.InfoLevel
	}
}
