package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/test/stand"
)

// gauges read what the manager and the API server tell of themselves.
type gauges struct {
	soak    *soak
	manager *stand.Scraper
	server  *http.Client

	stop    context.CancelFunc
	running sync.WaitGroup
	once    sync.Once
	// since is when the load began.
	since time.Time
	// before is what was written and had ended at the last sample.
	writes, ended int
	mu            sync.Mutex
	samples       []sample
}

// admitGauges lets the manager's metrics be read.
func (s *soak) admitGauges(ctx context.Context) error {
	manager, err := stand.NewScraper(ctx, s.env.Client)
	if err != nil {
		return err
	}
	server, err := rest.HTTPClientFor(s.env.Config)
	if err != nil {
		return fmt.Errorf("connecting to kube-apiserver: %w", err)
	}
	s.gauges = &gauges{soak: s, manager: manager, server: server}
	return nil
}

// watch prints a line of figures from time to time, until end.
func (s *soak) watch(ctx context.Context) *gauges {
	g := s.gauges
	ctx, stop := context.WithCancel(ctx) //nolint:gosec // end calls it.
	g.stop, g.since = stop, time.Now()
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

// sample notes and prints how large the manager is now, and what was written since the last sample
// for each order that ended since then; the order's creation counts too, and its deletion.
func (g *gauges) sample(ctx context.Context) error {
	now := sample{at: time.Since(g.since), figures: map[string]float64{}}
	if err := g.look(ctx, now, ofManager, g.soak.pidOfManager(), g.soak.metrics); err != nil {
		return err
	}
	if g.soak.facade != nil {
		if err := g.look(ctx, now, ofFacade, g.soak.facade.PID(), g.soak.facadeMetrics); err != nil {
			return err
		}
	}
	writes, err := g.written(ctx)
	if err != nil {
		return err
	}
	orders, err := g.soak.read(ctx)
	if err != nil {
		return err
	}
	done := int(g.soak.deleted.Load())
	for _, order := range orders {
		if order.Terminal() && order.DeletionTimestamp == nil {
			done++
		}
	}
	now.figures[written], now.figures[ended] = float64(writes), float64(done)
	if done > g.ended && g.writes > 0 {
		now.figures[writesEach] = float64(writes-g.writes) / float64(done-g.ended)
	}
	g.writes, g.ended = writes, done
	g.mu.Lock()
	g.samples = append(g.samples, now)
	g.mu.Unlock()
	text := func(of, form string) string {
		if value, told := now.figures[of]; told {
			return fmt.Sprintf(form, value)
		}
		return "-"
	}
	facade := ""
	if g.soak.facade != nil {
		facade = fmt.Sprintf("   facade: %s MiB, %s goroutines, %s files; %d orders there are",
			text(ofFacade+memory, "%.0f"), text(ofFacade+goroutines, "%.0f"), text(ofFacade+files, "%.0f"), len(orders))
	}
	g.soak.sayf("%8s %10s %6s %8d %8d %13s%s", text(ofManager+memory, "%.0f"), text(ofManager+goroutines, "%.0f"),
		text(ofManager+files, "%.0f"), done, writes, text(writesEach, "%.1f"), facade)
	return nil
}

// look adds to a sample how large a process is.
func (g *gauges) look(ctx context.Context, into sample, of, pid, metrics string) error {
	size, open, err := measure(pid)
	if err != nil {
		return err
	}
	into.figures[of+memory], into.figures[of+files] = float64(size)/bytesPerMiB, float64(open)
	found := map[string]float64{}
	// A manager that is just starting does not answer.
	if err := g.manager.Read(ctx, metrics, func(name, _ string, value float64) { found[name] += value }); err == nil {
		into.figures[of+goroutines] = found["go_goroutines"]
	}
	return nil
}

// taken are the samples so far.
func (g *gauges) taken() []sample {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.samples)
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
	found := map[string]float64{}
	return found, g.manager.Read(ctx, g.soak.metrics, func(name, _ string, value float64) { found[name] += value })
}

// written is how many writes the API server has taken for us: all but those of leases and
// of what asks who somebody is.
func (g *gauges) written(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(g.soak.env.Config.Host, "/")+"/metrics", http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("asking for metrics: %w", err)
	}
	sum := 0.0
	err = stand.Scrape(g.server, request, func(name, labels string, value float64) {
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
