//go:build unix

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	dirVariable = "RUN_DIR"
	defaultDir  = ".run"
	host        = "127.0.0.1"
)

// portName names a port that something listens on.
type portName int

const (
	etcdPort portName = iota
	etcdPeerPort
	apiServerPort
	es2plusPort
	controlPort
	metricsPort
	healthPort
	restPort
	restMetricsPort
	notificationsPort
	smtpPort
	mailboxPort
	webhooksPort
	zenditPort
	esimAccessPort
	airaloPort
)

// knownPort is a port that is fixed unless a variable says otherwise.
type knownPort struct {
	name     portName
	use      string
	variable string
	usual    int
}

var knownPorts = []knownPort{
	{etcdPort, "etcd", "RUN_ETCD_PORT", 12379},
	{etcdPeerPort, "etcd's peers", "RUN_ETCD_PEER_PORT", 12380},
	{apiServerPort, "kube-apiserver", "RUN_APISERVER_PORT", 16443},
	{es2plusPort, "the simulator's ES2+", "RUN_SMDP_PORT", 18443},
	{controlPort, "the simulator's control API", "RUN_SMDP_CONTROL_PORT", 18444},
	{metricsPort, "the manager's metrics", "RUN_METRICS_PORT", 18080},
	{healthPort, "the manager's health", "RUN_HEALTH_PORT", 18081},
	{restPort, "the REST API", "RUN_API_PORT", 18090},
	{restMetricsPort, "the REST API's metrics", "RUN_API_METRICS_PORT", 18091},
	{notificationsPort, "notifications of operators", "RUN_NOTIFICATIONS_PORT", 18445},
	{smtpPort, "the mail server", "RUN_SMTP_PORT", 18025},
	{mailboxPort, "the mailbox", "RUN_MAILBOX_PORT", 18026},
	{webhooksPort, "the client's webhooks", "RUN_WEBHOOKS_PORT", 18096},
	{zenditPort, "the simulator's Zendit", "RUN_ZENDIT_PORT", 18446},
	{esimAccessPort, "the simulator's eSIM Access", "RUN_ESIM_ACCESS_PORT", 18447},
	{airaloPort, "the simulator's Airalo", "RUN_AIRALO_PORT", 18448},
}

// settings are what the user may choose.
type settings struct {
	// Root of the repository.
	Root string
	// Dir holds all state, as an absolute path.
	Dir string
	// Ports by name.
	Ports map[portName]int
}

// readSettings reads the environment. The working directory is the repository's root.
func readSettings(getenv func(string) string) (settings, error) {
	root, err := os.Getwd()
	if err != nil {
		return settings{}, fmt.Errorf("finding the repository: %w", err)
	}
	if _, err := os.Stat(filepath.Join(root, "config", "crd", "bases")); err != nil {
		return settings{}, fmt.Errorf("this is not the root of the repository; use `make run` there: %w", err)
	}
	dir := getenv(dirVariable)
	if dir == "" {
		dir = defaultDir
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return settings{}, fmt.Errorf("finding %s: %w", dirVariable, err)
	}
	ports, err := readPorts(getenv)
	return settings{Root: root, Dir: dir, Ports: ports}, err
}

func readPorts(getenv func(string) string) (map[portName]int, error) {
	ports := map[portName]int{}
	users := map[int]string{}
	var errs []error
	for _, p := range knownPorts {
		number := p.usual
		if text := getenv(p.variable); text != "" {
			var err error
			if number, err = strconv.Atoi(text); err != nil || number < 1 || number > 65535 {
				errs = append(errs, fmt.Errorf("%s is %q; it must be a port number from 1 to 65535", p.variable, text))
				continue
			}
		}
		if other, taken := users[number]; taken {
			errs = append(errs, fmt.Errorf("%s and %s both name port %d; give each its own", other, p.variable, number))
		}
		users[number] = p.variable
		ports[p.name] = number
	}
	return ports, errors.Join(errs...)
}

// address is host and port of what listens there.
func (s settings) address(name portName) string {
	return net.JoinHostPort(host, strconv.Itoa(s.Ports[name]))
}

func (s settings) file(elements ...string) string {
	return filepath.Join(append([]string{s.Dir}, elements...)...)
}

// shown is a path as the user would type it.
func (s settings) shown(path string) string {
	relative, err := filepath.Rel(s.Root, path)
	if err != nil || strings.HasPrefix(relative, "..") {
		return path
	}
	return relative
}

// checkPorts names every port that something else listens on, and the variable that chooses
// another.
func checkPorts(s settings) error {
	var errs []error
	for _, p := range knownPorts {
		listener, err := net.Listen("tcp", s.address(p.name)) //nolint:noctx // it does not wait.
		if errors.Is(err, syscall.EADDRINUSE) {
			errs = append(errs, fmt.Errorf("port %d, for %s, is taken by another program; end that, or set %s to a free port",
				s.Ports[p.name], p.use, p.variable))
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("port %d, for %s, cannot be used; set %s to another: %w", s.Ports[p.name], p.use, p.variable, err))
			continue
		}
		if err := listener.Close(); err != nil {
			errs = append(errs, fmt.Errorf("giving port %d back: %w", s.Ports[p.name], err))
		}
	}
	return errors.Join(errs...)
}

func (s settings) port(name portName) string { return strconv.Itoa(s.Ports[name]) }
