package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/internal/ids"
	teststand "github.com/telcodev/esim-operator/test/stand"
)

const (
	// mostReplicas of the facade are measured beside one.
	mostReplicas = 3
	// replicaRounds are how often each number of replicas has its turn, of replicaRound each.
	replicaRounds = 3
	replicaRound  = 3 * time.Second
)

// replicas are processes of the facade.
type replicas struct {
	addresses []string
	running   []*teststand.Process
}

// measureReplicas compares two and three replicas of the facade with one: requests that are
// answered from memory, and orders that are taken. Each is a process, as in a cluster; they share
// this machine's processors with the API server, so that nothing can be won here: what is shown is
// what a further replica costs.
func measureReplicas(ctx context.Context, s *stand) (figures []figure, err error) {
	r, err := s.startReplicas(ctx, mostReplicas)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	id, _ := ids.Named(installedOrder)
	read := get(fmt.Sprintf("/api/v1/esim/orders/%d", id), s.token, "")
	var posted atomic.Int64
	order := func() []byte {
		body := fmt.Sprintf(`{"product_id":%d,"amount":%s,"client_reference":"REPLICA_%d"}`, firstProduct, price, posted.Add(1))
		return postOrder(s.token, body, "wait=0")
	}
	for _, kind := range []struct {
		name, what string
		request    func() []byte
	}{
		{"reads", "GET of an order", func() []byte { return read }},
		{"orders", "POST of an order, not waited for", order},
	} {
		rates := make([][]float64, mostReplicas+1)
		for range replicaRounds {
			for n := 1; n <= mostReplicas; n++ {
				rate, err := r.rate(ctx, n, kind.request)
				if err != nil {
					return nil, fmt.Errorf("%s at %d replicas: %w", kind.what, n, err)
				}
				rates[n] = append(rates[n], rate)
			}
		}
		for n := 2; n <= mostReplicas; n++ {
			ratios := make([]float64, replicaRounds)
			for i := range ratios {
				ratios[i] = rates[n][i] / rates[1][i]
			}
			figures = append(figures, compared(fmt.Sprintf("%s at %d replicas and at one, all on this machine", kind.what, n),
				perSecond(median(rates[n])), perSecond(median(rates[1])), median(ratios)).
				as(fmt.Sprintf("replicas_%d_%s_ratio", n, kind.name), "", ratios...))
		}
	}
	return figures, nil
}

// startReplicas starts so many processes of the facade, and returns once all are ready.
func (s *stand) startReplicas(ctx context.Context, count int) (r *replicas, err error) {
	r = &replicas{}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.stop())
		}
	}()
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(s.folder, "facade"), "./cmd/manager")
	build.Dir = s.env.Root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the manager: %w\n%s", err, out)
	}
	config, err := yaml.Marshal(map[string]any{"rateLimits": unlimited()})
	if err != nil {
		return nil, fmt.Errorf("writing the facade's configuration: %w", err)
	}
	configFile, kubeconfig := filepath.Join(s.folder, "facade.yaml"), filepath.Join(s.folder, "facade.kubeconfig")
	if err := errors.Join(os.WriteFile(configFile, config, 0o600), teststand.WriteKubeconfig(kubeconfig, s.identity)); err != nil {
		return nil, fmt.Errorf("writing the facade's configuration: %w", err)
	}
	free, err := teststand.FreeAddresses(ctx, count)
	if err != nil {
		return nil, err
	}
	for _, address := range free {
		started, err := teststand.StartProcess(s.folder, "facade", []string{"KUBECONFIG=" + kubeconfig},
			"facade", "--config="+configFile, "--bind-address="+address, "--metrics-bind-address=0")
		if err != nil {
			return nil, err
		}
		r.addresses, r.running = append(r.addresses, address), append(r.running, started)
	}
	for _, address := range r.addresses {
		if err := teststand.AwaitAnswer(ctx, "http://"+address+"/readyz"); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *replicas) stop() error {
	var faults []error
	for _, process := range r.running {
		faults = append(faults, process.Kill())
	}
	return errors.Join(faults...)
}

// rate at which the first n replicas answer requests.
func (r *replicas) rate(ctx context.Context, n int, request func() []byte) (_ float64, err error) {
	asking, err := gather(ctx, r.addresses[:n], request)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, asking.close()) }()
	answered, err := asking.pace(ctx, replicaRound)
	return answered.rate, err
}
