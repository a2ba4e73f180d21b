package manager

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/operators/connections"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// Config is everything about `manager controllers` that can be tuned. It is read from the file
// that --config names; what the file leaves out keeps its default. Flags win over the file.
type Config struct {
	// Kubeconfig is the file that --kubeconfig named; it cannot be in the file.
	Kubeconfig string `json:"-"`
	// Namespace is the manager's own: its lease and the operators' credentials are there.
	Namespace string `json:"namespace"`
	// NamespaceSelector is a label selector of the namespaces, which are the clients, to work for,
	// such as esim.telco.dev/shard=a; empty for all.
	NamespaceSelector string `json:"namespaceSelector"`
	// LeaderElection makes sure that one manager buys at a time.
	LeaderElection LeaderElection `json:"leaderElection"`
	// MetricsBindAddress serves metrics over HTTPS to who may get /metrics; "0" for none.
	MetricsBindAddress string `json:"metricsBindAddress"`
	// HealthProbeBindAddress serves /healthz and /readyz; "0" for none.
	HealthProbeBindAddress string `json:"healthProbeBindAddress"`
	// PprofBindAddress serves Go's profiles, without authentication, under /debug/pprof; "0" for
	// none. It must be an address that only this machine reaches.
	PprofBindAddress string `json:"pprofBindAddress"`
	// Workers is how many orders are worked on at one time; more than operators can hold.
	Workers int `json:"workers"`
	// WriteTimeout bounds each write to the API server, there too.
	WriteTimeout metav1.Duration `json:"writeTimeout"`
	// ReadTimeout bounds each read that asks the API server itself, not the cache: no order may
	// keep its worker while the API server is away. Lists of a client's orders come in pages.
	ReadTimeout metav1.Duration `json:"readTimeout"`
	// GracefulShutdown is how long calls in flight may take to end when the manager stops.
	GracefulShutdown metav1.Duration `json:"gracefulShutdown"`
	// ProbeInterval is how often each operator is probed.
	ProbeInterval metav1.Duration `json:"probeInterval"`
	// AuditInterval is how often all wallets are summed up anew from their orders.
	AuditInterval metav1.Duration `json:"auditInterval"`
	// Pace is how long retries wait.
	Pace controllers.Pace `json:"pace"`
	// Breaker is how an operator that does not answer is left alone.
	Breaker Breaker `json:"breaker"`
	// OperatorProxy is the way to operators, where it is not a direct one.
	OperatorProxy OperatorProxy `json:"operatorProxy"`
	// Notifications is where mobile operators report what becomes of profiles.
	Notifications Notifications `json:"notifications"`
	// VendorWebhooks is where wholesalers' webhooks are taken.
	VendorWebhooks VendorWebhooks `json:"vendorWebhooks"`
	// Mail is how receipts go out.
	Mail Mail `json:"mail"`
	// Webhooks are how clients' endpoints are called.
	Webhooks Webhooks `json:"webhooks"`
	// Tracing is how orders are followed with OpenTelemetry.
	Tracing Tracing `json:"tracing"`
	// LogLevel is debug, info or error.
	LogLevel string `json:"logLevel"`
}

// LeaderElection is the lease's timing.
type LeaderElection struct {
	Enabled       bool            `json:"enabled"`
	LeaseName     string          `json:"leaseName"`
	LeaseDuration metav1.Duration `json:"leaseDuration"`
	RenewDeadline metav1.Duration `json:"renewDeadline"`
	RetryPeriod   metav1.Duration `json:"retryPeriod"`
}

// Breaker is connections.Config as the file writes it.
type Breaker struct {
	Failures         uint            `json:"failures"`
	Delay            metav1.Duration `json:"delay"`
	TrialInterval    metav1.Duration `json:"trialInterval"`
	LostAnswersLimit int32           `json:"lostAnswersLimit"`
}

func (b Breaker) connections() connections.Config {
	return connections.Config{
		BreakerFailures: b.Failures, BreakerDelay: b.Delay.Duration,
		TrialInterval: b.TrialInterval.Duration, LostAnswersLimit: b.LostAnswersLimit,
	}
}

const defaultLeaseName = "esim-operator-controllers"

// DefaultConfig is what holds where neither file nor flags say anything.
func DefaultConfig() Config {
	seconds := func(n int) metav1.Duration { return metav1.Duration{Duration: time.Duration(n) * time.Second} }
	breaker := connections.DefaultConfig
	return Config{
		Namespace: "esim-system",
		LeaderElection: LeaderElection{
			Enabled: true, LeaseName: defaultLeaseName,
			LeaseDuration: seconds(15), RenewDeadline: seconds(10), RetryPeriod: seconds(2),
		},
		MetricsBindAddress:     ":8443",
		HealthProbeBindAddress: ":8081",
		PprofBindAddress:       "0",
		Workers:                1024,
		WriteTimeout:           seconds(3),
		ReadTimeout:            seconds(15),
		GracefulShutdown:       seconds(35),
		ProbeInterval:          metav1.Duration{Duration: controllers.DefaultProbeInterval},
		AuditInterval:          metav1.Duration{Duration: controllers.DefaultAuditInterval},
		Pace:                   controllers.DefaultPace,
		Breaker: Breaker{
			Failures: breaker.BreakerFailures, Delay: metav1.Duration{Duration: breaker.BreakerDelay},
			TrialInterval: metav1.Duration{Duration: breaker.TrialInterval}, LostAnswersLimit: breaker.LostAnswersLimit,
		},
		OperatorProxy:  OperatorProxy{Direct: []string{}},
		Notifications:  Notifications{BindAddress: "0"},
		VendorWebhooks: VendorWebhooks{BindAddress: "0", TrustedProxies: []string{}},
		Mail:           defaultMail,
		Webhooks:       defaultWebhooks,
		Tracing:        Tracing{Config: tracing.DefaultConfig()},
		LogLevel:       "info",
	}
}

// ReadConfig joins defaults, file and flags. The error names the flag or the field that is
// wrong, and what it may be; it is flag.ErrHelp where only help was asked for.
func ReadConfig(args []string) (Config, error) {
	config := DefaultConfig()
	flags := flag.NewFlagSet("manager controllers", flag.ContinueOnError)
	file := flags.String("config", "", "YAML `file` with everything that can be tuned; docs/configuration.md lists it")
	kubeconfig := flags.String("kubeconfig", "", "kubeconfig `file`; empty uses KUBECONFIG, or the Pod's service account")
	namespace := flags.String("namespace", "", "the manager's own `namespace`, where its lease and the operators' Secrets are (default from the file, else "+config.Namespace+")")
	selector := flags.String("namespace-selector", "", "label `selector` of the namespaces to work in, such as esim.telco.dev/shard=a; "+
		"other managers work in the others (default from the file, else all)")
	metrics := flags.String("metrics-bind-address", "", "`address` of the metrics, over HTTPS with authentication; 0 for none (default "+config.MetricsBindAddress+")")
	health := flags.String("health-probe-bind-address", "", "`address` of /healthz and /readyz; 0 for none (default "+config.HealthProbeBindAddress+")")
	elect := flags.String("leader-elect", "", "`true or false`: take part in the leader election (default true)")
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
		{namespace, &config.Namespace}, {metrics, &config.MetricsBindAddress},
		{health, &config.HealthProbeBindAddress}, {level, &config.LogLevel}, {selector, &config.NamespaceSelector},
	} {
		if *set.flag != "" {
			*set.field = *set.flag
		}
	}
	switch *elect {
	case "":
	case "true", "false":
		config.LeaderElection.Enabled = *elect == "true"
	default:
		return config, fmt.Errorf("--leader-elect is %q; it may be true or false", *elect)
	}
	return config, errors.Join(config.nameLease(), config.validate())
}

// validate names the field that is wrong and what it may be.
func (c Config) validate() error {
	switch {
	case c.Namespace == "":
		return fmt.Errorf("namespace is empty; name the one that the operators' Secrets are in")
	case c.Workers < 1 || c.Workers > 100_000:
		return fmt.Errorf("workers is %d; it may be 1 to 100000", c.Workers)
	case c.WriteTimeout.Duration <= 0:
		return fmt.Errorf("writeTimeout is %s; it must be longer than 0s", c.WriteTimeout.Duration)
	case c.ReadTimeout.Duration <= 0:
		return fmt.Errorf("readTimeout is %s; it must be longer than 0s", c.ReadTimeout.Duration)
	case c.AuditInterval.Duration <= 0:
		return fmt.Errorf("auditInterval is %s; it must be longer than 0s", c.AuditInterval.Duration)
	case c.LogLevel != "debug" && c.LogLevel != "info" && c.LogLevel != "error":
		return fmt.Errorf("logLevel is %q; it may be debug, info or error", c.LogLevel)
	case !onlyHere(c.PprofBindAddress):
		return fmt.Errorf("pprofBindAddress is %q; it may be 0, or a loopback address with a port, such as 127.0.0.1:6060", c.PprofBindAddress)
	case c.Breaker.Failures == 0 || c.Breaker.Delay.Duration <= 0 || c.Breaker.TrialInterval.Duration <= 0:
		return fmt.Errorf("breaker.failures, breaker.delay and breaker.trialInterval must be more than 0")
	}
	for name, backoff := range map[string]controllers.Backoff{
		"transient": c.Pace.Transient, "scarce": c.Pace.Scarce, "misconfigured": c.Pace.Misconfigured,
	} {
		if backoff.Initial.Duration <= 0 || backoff.Max.Duration < backoff.Initial.Duration {
			return fmt.Errorf("pace.%s.max must be at least pace.%s.initial, and that more than 0s", name, name)
		}
	}
	for _, validate := range []func() error{c.OperatorProxy.validate, c.Notifications.validate, c.VendorWebhooks.validate, c.Mail.validate, c.Webhooks.validate, c.Tracing.validate} {
		if err := validate(); err != nil {
			return err
		}
	}
	if err := c.validateSelector(); err != nil {
		return err
	}
	return c.LeaderElection.validate(c.WriteTimeout.Duration)
}

// onlyHere tells whether an address is reached from this machine alone, or is none.
func onlyHere(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return address == "0" || err == nil && net.ParseIP(host).IsLoopback()
}

func (l LeaderElection) validate(longestWrite time.Duration) error {
	switch {
	case !l.Enabled:
		return nil
	case l.RenewDeadline.Duration >= l.LeaseDuration.Duration || l.RetryPeriod.Duration >= l.RenewDeadline.Duration:
		return fmt.Errorf("leaderElection: retryPeriod must be shorter than renewDeadline, and that shorter than leaseDuration")
	case l.LeaseDuration.Duration-longestWrite < 5*time.Second:
		return fmt.Errorf("leaderElection.leaseDuration must be at least 5s longer than writeTimeout, or hardly anything could be bought")
	}
	return nil
}
