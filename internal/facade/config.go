package facade

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// Config is everything about `manager facade` that can be tuned. It is read from the file that
// --config names; what the file leaves out keeps its default. Flags win over the file.
type Config struct {
	// Kubeconfig is the file that --kubeconfig named; it cannot be in the file.
	Kubeconfig string `json:"-"`
	// BindAddress serves the REST API, and /healthz and /readyz with it.
	BindAddress string `json:"bindAddress"`
	// MetricsBindAddress serves /metrics over HTTPS to those who may get it; "0" turns it off.
	MetricsBindAddress string `json:"metricsBindAddress"`
	// TLS of BindAddress. Without it the API is served as plain HTTP, for a proxy on the same
	// machine that ends TLS.
	TLS TLS `json:"tls"`
	// TrustedProxies are the networks (CIDR) of those whose X-Forwarded-For is believed.
	TrustedProxies []string `json:"trustedProxies"`
	// RateLimits are for clients that have none of their own, per minute and replica.
	RateLimits v1alpha1.RateLimits `json:"rateLimits"`
	// FailuresPerAddress is how many bad tokens, API keys and refresh tokens an address may show
	// per minute and replica. Who was known to be good goes on; others are 429.
	FailuresPerAddress int `json:"failuresPerAddress"`
	// MaxConnections bounds how many connections there may be at one time; others wait.
	MaxConnections int `json:"maxConnections"`
	// CallTimeout bounds each call to the API server, there too.
	CallTimeout metav1.Duration `json:"callTimeout"`
	// GracefulShutdown is how long requests in flight may take to end. Those that wait for an
	// order are answered at once, as it stands.
	GracefulShutdown metav1.Duration `json:"gracefulShutdown"`
	// Console serves the web console at /console.
	Console bool `json:"console"`
	// Tracing is how requests and orders are followed with OpenTelemetry.
	Tracing tracing.Config `json:"tracing"`
	// LogLevel is debug, info or error.
	LogLevel string `json:"logLevel"`
}

// TLS names the files of a certificate and its key, in PEM. A change of theirs takes effect
// within seconds, without a restart.
type TLS struct {
	CertFile string `json:"certFile"`
	KeyFile  string `json:"keyFile"`
}

// DefaultConfig is what holds where neither file nor flags say anything.
func DefaultConfig() Config {
	return Config{
		BindAddress:        ":8080",
		MetricsBindAddress: ":8443",
		RateLimits:         access.DefaultLimits(),
		FailuresPerAddress: access.DefaultFailures,
		MaxConnections:     20_000,
		CallTimeout:        metav1.Duration{Duration: 5 * time.Second},
		GracefulShutdown:   metav1.Duration{Duration: 10 * time.Second},
		Console:            true,
		Tracing:            tracing.DefaultConfig(),
		LogLevel:           "info",
	}
}

// ReadConfig joins defaults, file and flags. The error names the flag or the field that is
// wrong, and what it may be; it is flag.ErrHelp where only help was asked for.
func ReadConfig(args []string) (Config, error) {
	config := DefaultConfig()
	flags := flag.NewFlagSet("manager facade", flag.ContinueOnError)
	file := flags.String("config", "", "YAML `file` with everything that can be tuned; docs/rest.md lists it")
	kubeconfig := flags.String("kubeconfig", "", "kubeconfig `file`; empty uses KUBECONFIG, or the Pod's service account")
	address := flags.String("bind-address", "", "`address` of the REST API (default "+config.BindAddress+")")
	metrics := flags.String("metrics-bind-address", "", "`address` of /metrics over HTTPS; 0 for none (default "+config.MetricsBindAddress+")")
	cert := flags.String("tls-cert-file", "", "`file` of the certificate, PEM; without one the API is plain HTTP")
	key := flags.String("tls-key-file", "", "`file` of the certificate's key, PEM")
	level := flags.String("log-level", "", "`level`: debug, info or error (default info)")
	if err := flags.Parse(args); err != nil {
		return config, err
	}
	config.Kubeconfig = *kubeconfig
	if flags.NArg() > 0 {
		return config, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *file != "" {
		text, err := os.ReadFile(*file)
		if err != nil {
			return config, fmt.Errorf("reading the configuration: %w", err)
		}
		if err := yaml.UnmarshalStrict(text, &config); err != nil {
			return config, fmt.Errorf("configuration %s: %w", *file, err)
		}
	}
	for _, set := range []struct{ flag, field *string }{
		{address, &config.BindAddress}, {metrics, &config.MetricsBindAddress}, {cert, &config.TLS.CertFile}, {key, &config.TLS.KeyFile}, {level, &config.LogLevel},
	} {
		if *set.flag != "" {
			*set.field = *set.flag
		}
	}
	return config, config.validate()
}

// validate names the field that is wrong and what it may be.
func (c Config) validate() error {
	_, err := c.proxies()
	switch {
	case c.BindAddress == "":
		return errors.New("bindAddress is empty; it may be :8080")
	case c.MetricsBindAddress == "":
		return errors.New(`metricsBindAddress is empty; it may be :8443, or "0" for none`)
	case (c.TLS.CertFile == "") != (c.TLS.KeyFile == ""):
		return errors.New("tls.certFile and tls.keyFile belong together: set both or none")
	case err != nil:
		return err
	case c.FailuresPerAddress < 1:
		return fmt.Errorf("failuresPerAddress is %d; it must be greater than 0", c.FailuresPerAddress)
	case c.MaxConnections < 1 || c.MaxConnections > 1_000_000:
		return fmt.Errorf("maxConnections is %d; it may be 1 to 1000000", c.MaxConnections)
	case c.CallTimeout.Duration <= 0:
		return fmt.Errorf("callTimeout is %s; it must be longer than 0s", c.CallTimeout.Duration)
	case c.GracefulShutdown.Duration <= 0:
		return fmt.Errorf("gracefulShutdown is %s; it must be longer than 0s", c.GracefulShutdown.Duration)
	case c.LogLevel != "debug" && c.LogLevel != "info" && c.LogLevel != "error":
		return fmt.Errorf("logLevel is %q; it may be debug, info or error", c.LogLevel)
	}
	for name, limit := range map[string]v1alpha1.RequestsPerMinute{
		"read": c.RateLimits.Read, "order": c.RateLimits.Order, "quote": c.RateLimits.Quote,
		"change": c.RateLimits.Change, "login": c.RateLimits.Login, "refresh": c.RateLimits.Refresh,
	} {
		if limit < 0 {
			return fmt.Errorf("rateLimits.%s is %d; it must be greater than 0", name, limit)
		}
	}
	return c.Tracing.Validate()
}

func (c Config) proxies() (access.Proxies, error) {
	proxies := make(access.Proxies, 0, len(c.TrustedProxies))
	for _, text := range c.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if err != nil || network.Masked() != network {
			return nil, fmt.Errorf("trustedProxies has %q; it may have networks such as 10.0.0.0/8, a single address as 10.0.0.7/32", text)
		}
		proxies = append(proxies, network)
	}
	return proxies, nil
}
