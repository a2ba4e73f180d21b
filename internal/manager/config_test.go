package manager

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func read(t *testing.T, file string, args ...string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return ReadConfig(append([]string{"--config", path}, args...))
}

func TestFlagsWinOverTheFileAndTheFileOverDefaults(t *testing.T) {
	config, err := read(t, "workers: 7\nnamespace: from-file\npace:\n  transient: {initial: 2s, max: 1m}\n", "--namespace", "from-flag", "--leader-elect=false")
	if err != nil {
		t.Fatal(err)
	}
	if config.Workers != 7 || config.Namespace != "from-flag" || config.LeaderElection.Enabled {
		t.Errorf("got workers %d, namespace %s, leader election %t", config.Workers, config.Namespace, config.LeaderElection.Enabled)
	}
	if config.Pace.Transient.Initial.Duration != 2*time.Second || config.Pace.Scarce != DefaultConfig().Pace.Scarce {
		t.Errorf("pace is %+v", config.Pace)
	}
}

func TestABadConfigurationNamesTheFieldAndTheRemedy(t *testing.T) {
	for name, tc := range map[string]struct {
		file string
		args []string
		want string
	}{
		"unknown field":      {file: "wrokers: 3", want: `unknown field "wrokers"`},
		"no workers":         {file: "workers: 0", want: "workers is 0; it may be 1 to 100000"},
		"profiles for all":   {file: `pprofBindAddress: ":6060"`, want: `pprofBindAddress is ":6060"; it may be 0, or a loopback address with a port, such as 127.0.0.1:6060`},
		"no namespace":       {file: `namespace: ""`, want: "namespace is empty"},
		"bad duration":       {file: "writeTimeout: soon", want: "soon"},
		"no write timeout":   {file: "writeTimeout: 0s", want: "writeTimeout is 0s"},
		"no audit":           {file: "auditInterval: 0s", want: "auditInterval is 0s"},
		"log level":          {args: []string{"--log-level", "loud"}, want: "it may be debug, info or error"},
		"leader-elect":       {args: []string{"--leader-elect", "maybe"}, want: "--leader-elect is \"maybe\"; it may be true or false"},
		"lease too short":    {file: "leaderElection: {leaseDuration: 6s, renewDeadline: 4s}", want: "leaseDuration must be at least"},
		"lease out of order": {file: "leaderElection: {renewDeadline: 20s}", want: "retryPeriod must be shorter"},
		"breaker":            {file: "breaker: {failures: 0}", want: "breaker.failures"},
		"backoff upside down": {
			file: "pace: {transient: {initial: 1m, max: 1s}}", want: "pace.transient.max must be at least pace.transient.initial",
		},
		"proxy":                   {file: "operatorProxy: {url: 'socks5://proxy:1080'}", want: "operatorProxy.url cannot be used: it may be http://host:port"},
		"proxy's password":        {file: "operatorProxy: {url: 'http://a:b@proxy:3128'}", want: "without a password"},
		"past the proxy":          {file: "operatorProxy: {url: 'http://proxy:3128', direct: ['a,b']}", want: `operatorProxy.direct[0] is "a,b"`},
		"receiver's address":      {file: `notifications: {bindAddress: "8444", certDir: /tls}`, want: `notifications.bindAddress is "8444"`},
		"receiver's certificate":  {file: `notifications: {bindAddress: ":8444"}`, want: "notifications.certDir is empty"},
		"hooks' address":          {file: `vendorWebhooks: {bindAddress: "8445", certDir: /tls}`, want: `vendorWebhooks.bindAddress is "8445"`},
		"hooks' certificate":      {file: `vendorWebhooks: {bindAddress: ":8445"}`, want: "vendorWebhooks.certDir is empty"},
		"hooks' proxies":          {file: `vendorWebhooks: {trustedProxies: [10.0.0.1/8]}`, want: `vendorWebhooks.trustedProxies[0] is "10.0.0.1/8"`},
		"mail encryption":         {file: "mail: {host: mx.example.com, encryption: ssl, from: a@example.com}", want: "it may be starttls, tls or none"},
		"mail in clear":           {file: "mail: {host: mx.example.com, encryption: none, from: a@example.com}", want: "mail.encryption may be none on this machine only"},
		"mail password in clear":  {file: "mail: {host: 127.0.0.1, encryption: none, from: a@example.com, credentialsSecret: x}", want: "would be sent in clear"},
		"mail port":               {file: "mail: {host: mx.example.com, port: 70000, from: a@example.com}", want: "mail.port is 70000"},
		"mail sender":             {file: "mail: {host: mx.example.com, from: nobody}", want: `mail.from is "nobody"`},
		"mail answers":            {file: "mail: {host: mx.example.com, from: a@example.com, replyTo: nobody}", want: `mail.replyTo is "nobody"`},
		"mail timeout":            {file: "mail: {host: mx.example.com, from: a@example.com, timeout: 0s}", want: "mail.timeout is 0s"},
		"mail in flight":          {file: "mail: {host: mx.example.com, from: a@example.com, maxInFlight: 0}", want: "mail.maxInFlight is 0"},
		"webhook network":         {file: "webhooks: {allowedNetworks: [10.0.0.0]}", want: `webhooks.allowedNetworks[0] is "10.0.0.0"`},
		"webhook in clear":        {file: "webhooks: {allowHTTP: true}", want: "webhooks.allowHTTP counts for webhooks.allowedNetworks only"},
		"webhook timeout":         {file: "webhooks: {timeout: 0s}", want: "webhooks.timeout is 0s"},
		"webhook calls in flight": {file: "webhooks: {maxInFlight: 0}", want: "webhooks.maxInFlight is 0"},
		"namespace selector":      {args: []string{"--namespace-selector", "shard in a"}, want: `namespaceSelector is "shard in a"; it may be a label selector`},
		"selector, no election":   {file: "leaderElection: {enabled: false}\nnamespaceSelector: shard=a", want: "namespaceSelector needs leaderElection.enabled"},
		"traces' ratio":           {file: "tracing: {samplingRatio: 2}", want: "tracing.samplingRatio is 2; it may be 0 to 1"},
		"traces' endpoint":        {file: "tracing: {endpoint: 'otel:4317'}", want: "tracing.endpoint must be https://host:port"},
		"traces that are off":     {file: "tracing: {tellOperators: true}", want: "tracing.tellOperators is of no use without tracing.endpoint"},
		"stray argument":          {args: []string{"now"}, want: `unexpected argument "now"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(t, tc.file, tc.args...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestEachSelectorHasALeaseOfItsOwn(t *testing.T) {
	lease := func(file string, args ...string) string {
		config, err := read(t, file, args...)
		if err != nil {
			t.Fatal(err)
		}
		return config.LeaderElection.LeaseName
	}
	all, a, b := lease(""), lease("namespaceSelector: shard=a"), lease("", "--namespace-selector=shard=b")
	if all != DefaultConfig().LeaderElection.LeaseName || all == a || a == b {
		t.Errorf("the leases are %s without a selector, %s and %s with one", all, a, b)
	}
	if again := lease("", "--namespace-selector", " shard = a "); again != a {
		t.Errorf("the same selector has the leases %s and %s", a, again)
	}
	if named := lease("namespaceSelector: shard=a\nleaderElection: {leaseName: mine}"); named != "mine" {
		t.Errorf("a lease that is named is called %s", named)
	}
}

func TestHelpIsNoMistake(t *testing.T) {
	if _, err := ReadConfig([]string{"--help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got %v", err)
	}
}

func TestTheDocumentedDefaultsAreTheDefaults(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(document), "```yaml\n")
	block, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("docs/configuration.md has no YAML block")
	}
	var documented Config
	if err := yaml.UnmarshalStrict([]byte(block), &documented); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(DefaultConfig(), documented); diff != "" {
		t.Errorf("docs/configuration.md differs (-default +documented):\n%s", diff)
	}
}
