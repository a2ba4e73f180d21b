package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/test/stand"
)

// gauges read what the manager and the API server tell of themselves.
type gauges struct {
	soak    *soak
	token   string
	manager *http.Client
	server  *http.Client

	stop    context.CancelFunc
	running sync.WaitGroup
	once    sync.Once
	// before is what was written and had ended at the last sample.
	writes, ended int
}

const scraper = "soak"

// admitGauges lets a ServiceAccount read the manager's metrics.
func (s *soak) admitGauges(ctx context.Context) error {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: scraper}}
	for _, object := range []client.Object{account, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: scraper},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "esim-operator-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
	}} {
		if err := s.env.Client.Create(ctx, object); err != nil {
			return fmt.Errorf("letting the metrics be read: %w", err)
		}
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To(int64(24 * 3600))}}
	if err := s.env.Client.SubResource("token").Create(ctx, account, request); err != nil {
		return fmt.Errorf("letting the metrics be read: %w", err)
	}
	server, err := rest.HTTPClientFor(s.env.Config)
	if err != nil {
		return fmt.Errorf("connecting to kube-apiserver: %w", err)
	}
	s.gauges = &gauges{
		soak: s, token: request.Status.Token, server: server,
		//nolint:gosec // the manager makes itself a certificate at each start; it is on this machine.
		manager: &http.Client{Timeout: callTimeout, Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
		}},
	}
	return nil
}

// watch prints a line of figures from time to time, until end.
func (s *soak) watch(ctx context.Context) *gauges {
	g := s.gauges
	ctx, stop := context.WithCancel(ctx) //nolint:gosec // end calls it.
	g.stop = stop
	s.sayf("%8s %10s %6s %8s %8s %13s", "RSS MiB", "goroutines", "files", "ended", "writes", "writes/ended")
	g.running.Go(func() {
		tick := time.NewTicker(s.sampled)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := g.sample(ctx); err != nil && ctx.Err() == nil {
					s.sayf("no figures: %v", err)
				}
			}
		}
	})
	return g
}

func (g *gauges) end() {
	g.once.Do(g.stop)
	g.running.Wait()
}

// sample prints how large the manager is now, and what was written since the last sample for
// each order that ended since then; the order's creation counts too.
func (g *gauges) sample(ctx context.Context) error {
	memory, files, err := measure(g.soak.pidOfManager())
	if err != nil {
		return err
	}
	goroutines := "-"
	if found, err := g.read(ctx); err == nil {
		goroutines = fmt.Sprintf("%.0f", found["go_goroutines"])
	}
	writes, err := g.written(ctx)
	if err != nil {
		return err
	}
	orders, err := g.soak.read(ctx)
	if err != nil {
		return err
	}
	ended := 0
	for _, order := range orders {
		if order.Terminal() {
			ended++
		}
	}
	each := "-"
	if ended > g.ended && g.writes > 0 {
		each = fmt.Sprintf("%.1f", float64(writes-g.writes)/float64(ended-g.ended))
	}
	g.soak.sayf("%8d %10s %6d %8d %8d %13s", memory>>20, goroutines, files, ended, writes, each)
	g.writes, g.ended = writes, ended
	return nil
}

// measure is the resident memory, in bytes, and the number of open files of a process.
func measure(pid string) (memory int64, files int, err error) {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "statm"))
	if err != nil {
		return 0, 0, fmt.Errorf("looking at the manager: %w", err)
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, 0, errors.New("looking at the manager: the system does not tell its memory")
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("looking at the manager: %w", err)
	}
	open, err := os.ReadDir(filepath.Join("/proc", pid, "fd"))
	if err != nil {
		return 0, 0, fmt.Errorf("looking at the manager: %w", err)
	}
	return pages * int64(os.Getpagesize()), len(open), nil
}

// read is the manager's metrics; those with labels are summed up.
func (g *gauges) read(ctx context.Context) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+g.soak.metrics+"/metrics", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking for metrics: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+g.token)
	found := map[string]float64{}
	return found, scrape(g.manager, request, func(name, _ string, value float64) { found[name] += value })
}

// written is how many writes the API server has taken for us: all but those of leases and
// of what asks who somebody is.
func (g *gauges) written(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(g.soak.env.Config.Host, "/")+"/metrics", http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("asking for metrics: %w", err)
	}
	sum := 0.0
	err = scrape(g.server, request, func(name, labels string, value float64) {
		if name != "apiserver_request_total" || strings.Contains(labels, `dry_run="All"`) {
			return
		}
		for _, resource := range []string{`group="` + v1alpha1.GroupVersion.Group + `"`, `resource="secrets"`, `resource="events"`} {
			if strings.Contains(labels, resource) && isWrite(labels) {
				sum += value
				return
			}
		}
	})
	return int(sum), err
}

func isWrite(labels string) bool {
	for _, verb := range []string{"POST", "PUT", "PATCH", "APPLY", "DELETE"} {
		if strings.Contains(labels, `verb="`+verb+`"`) {
			return true
		}
	}
	return false
}

// scrape reads metrics in the text format.
func scrape(by *http.Client, request *http.Request, each func(name, labels string, value float64)) (err error) {
	response, err := by.Do(request)
	if err != nil {
		return fmt.Errorf("asking for metrics: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(response.Body, stand.MaxAnswer))
	if err != nil || response.StatusCode != http.StatusOK {
		return errors.Join(fmt.Errorf("metrics are answered %s", response.Status), err)
	}
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			continue // a value with a time behind it is none of ours
		}
		name, labels, _ := strings.Cut(line[:at], "{")
		each(name, labels, value)
	}
	return lines.Err()
}
