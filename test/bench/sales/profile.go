package sales

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/telcodev/esim-operator/test/stand"
)

// profile takes a CPU profile of the manager and of the API server for as long as given, beside what goes on, and one of
// the manager's allocations, and writes them into a folder; none where that is empty. stop waits until they are there.
func (m *market) profile(ctx context.Context, folder, name string, of time.Duration) (stop func() error) {
	if folder == "" {
		return func() error { return nil }
	}
	ended := make(chan error, 2)
	cpu := fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(of.Seconds()))
	go func() { ended <- m.fetchManagers(ctx, cpu, filepath.Join(folder, name+".manager.cpu.pprof")) }()
	go func() { ended <- m.fetchServers(ctx, cpu, filepath.Join(folder, name+".apiserver.cpu.pprof")) }()
	return func() error {
		for range 2 {
			if err := <-ended; err != nil {
				return err
			}
		}
		return m.fetchManagers(ctx, "/debug/pprof/allocs", filepath.Join(folder, name+".manager.allocs.pprof"))
	}
}

func (m *market) fetchManagers(ctx context.Context, path, file string) error {
	answer, err := stand.Exchange(ctx, http.MethodGet, "http://"+m.pprof+path, "")
	if err != nil {
		return fmt.Errorf("asking the manager for a profile: %w", err)
	}
	return write(file, answer)
}

func (m *market) fetchServers(ctx context.Context, path, file string) error {
	answer, err := m.raw(ctx, path)
	if err != nil {
		return fmt.Errorf("asking kube-apiserver for a profile: %w", err)
	}
	return write(file, answer)
}

func write(file string, text []byte) error {
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o750), os.WriteFile(file, text, 0o600)); err != nil {
		return fmt.Errorf("writing a profile: %w", err)
	}
	return nil
}
