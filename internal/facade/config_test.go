package facade_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/internal/facade"
)

func TestFlagsWinOverTheFileAndTheFileOverTheDefaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "facade.yaml")
	text := "bindAddress: :1\nlogLevel: debug\ntrustedProxies: [10.0.0.0/8]\ngracefulShutdown: 3s\nrateLimits: {read: 9}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := facade.ReadConfig([]string{"--config", file, "--bind-address", ":2", "--metrics-bind-address", "0"})
	if err != nil {
		t.Fatal(err)
	}
	want := facade.DefaultConfig()
	want.BindAddress, want.LogLevel, want.TrustedProxies = ":2", "debug", []string{"10.0.0.0/8"}
	want.MetricsBindAddress = "0"
	want.GracefulShutdown, want.RateLimits.Read = metav1.Duration{Duration: 3 * time.Second}, 9
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAConfigurationThatMakesNoSenseIsRefusedByName(t *testing.T) {
	for text, names := range map[string]string{
		"bindAddres: :1":                  "bindAddres",
		`bindAddress: ""`:                 "bindAddress",
		"tls: {certFile: a.crt}":          "tls.keyFile",
		"trustedProxies: [10.0.0.1]":      "10.0.0.7/32",
		"trustedProxies: [10.0.0.1/8]":    "10.0.0.0/8",
		`metricsBindAddress: ""`:          "metricsBindAddress",
		"failuresPerAddress: 0":           "failuresPerAddress",
		"maxConnections: 0":               "maxConnections",
		"callTimeout: 0s":                 "callTimeout",
		"gracefulShutdown: -1s":           "gracefulShutdown",
		"logLevel: loud":                  "logLevel",
		"tracing: {samplingRatio: 2}":     "tracing.samplingRatio",
		"tracing: {endpoint: otel}":       "tracing.endpoint",
		"tracing: {tellOperators: true}":  "tellOperators",
		"rateLimits: {order: -1}":         "rateLimits.order",
		"rateLimits: {orders: 1}":         "orders",
		"kubeconfig: /etc/somebody.elses": "kubeconfig",
	} {
		file := filepath.Join(t.TempDir(), "facade.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := facade.ReadConfig([]string{"--config", file}); err == nil || !strings.Contains(err.Error(), names) {
			t.Errorf("%q: the error is %v, want one that names %s", text, err, names)
		}
	}
}
