package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/test/stand"
)

// controlPlaneDies tells of an API server and an etcd that end and are there again, while managers,
// clients of the Kubernetes API and clients of the REST API go on.
func controlPlaneDies(ctx context.Context, w *world) error {
	stop := w.trickle(ctx)
	stopShopping := w.rest.shop(ctx)
	for _, failure := range []struct {
		story  string
		part   testenv.Part
		signal syscall.Signal
		// away is how long it is away, beyond what its start takes.
		away time.Duration
	}{
		{"kube-apiserver restarted (SIGTERM)", testenv.APIServer, syscall.SIGTERM, 0},
		{"kube-apiserver away past the lease (SIGKILL)", testenv.APIServer, syscall.SIGKILL, lease},
		{"etcd restarted (SIGKILL)", testenv.Etcd, syscall.SIGKILL, 0},
	} {
		if err := w.settled(ctx); err != nil {
			return err
		}
		began := time.Now()
		w.rest.restarting()
		if err := w.env.End(ctx, failure.part, failure.signal); err != nil {
			return err
		}
		if !pause(ctx, failure.away) {
			return context.Cause(ctx)
		}
		if err := w.env.Resume(ctx, failure.part); err != nil {
			return err
		}
		w.rest.ready()
		if err := w.recover(ctx, failure.story, began, time.Now(), ""); err != nil {
			return err
		}
	}
	if err := errors.Join(stopShopping(), stop()); err != nil {
		return err
	}
	orders, err := w.read(ctx)
	if err != nil {
		return err
	}
	w.report.factf("%s: the facade answered %s; each 403 while a kube-apiserver that had just begun did not know its roles yet", w.name, w.rest.tally())
	return w.rest.judge(orders)
}

// settled waits until something is delivered, so that a failure finds all at work.
func (w *world) settled(ctx context.Context) error {
	placed, err := w.order(ctx, "es2plus")
	if err != nil {
		return err
	}
	return w.delivered(ctx, []*ordered{placed})
}

const (
	filler = "filler"
	// fillerSize is how large each ConfigMap is that fills etcd, in bytes.
	fillerSize = 900_000
	fullLimit  = 3 * time.Minute
)

// etcdIsFull tells of an etcd that takes no writes: neither orders, nor intents, nor the journal of
// what an SM-DP+ has just reserved, nor the leader's lease.
func etcdIsFull(ctx context.Context, w *world) error {
	stop := w.trickle(ctx)
	if err := w.env.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: filler}}); err != nil {
		return fmt.Errorf("making a namespace to fill: %w", err)
	}
	if err := w.settled(ctx); err != nil {
		return err
	}
	slow := `{"kind": "delay", "delay": "1500ms", "function": "DownloadOrder"}`
	if err := w.simulator.Tell(ctx, "POST", "/faults", slow, nil); err != nil {
		return err
	}
	starts := w.managers["manager-a"].started()
	if err := w.fill(ctx); err != nil {
		return err
	}
	began := time.Now()
	err := stand.Until(ctx, fullLimit, "a leader that cannot renew its lease to end", func() (bool, error) {
		return w.managers["manager-a"].started() > starts, nil
	})
	if err != nil {
		return err
	}
	if err := w.simulator.Tell(ctx, "DELETE", "/faults", "", nil); err != nil {
		return err
	}
	if err := w.env.Client.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace(filler)); err != nil {
		return fmt.Errorf("deleting what fills etcd: %w", err)
	}
	if err := w.env.FreeEtcd(ctx); err != nil {
		return err
	}
	note := fmt.Sprintf("the manager ended, as it could not renew its lease, and was started %d times", w.managers["manager-a"].started()-starts)
	if err := w.recover(ctx, "etcd out of quota", began, time.Now(), note); err != nil {
		return err
	}
	return stop()
}

// fill writes until etcd takes no more.
func (w *world) fill(ctx context.Context) error {
	much := make([]byte, fillerSize)
	for n := 0; ; n++ {
		made := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: filler, Name: fmt.Sprintf("filler-%d", n)}, BinaryData: map[string][]byte{"zeros": much},
		}
		refused := w.env.Client.Create(ctx, made)
		full, err := w.env.EtcdOutOfSpace(ctx)
		switch {
		case err != nil:
			return err
		case full:
			return nil
		case refused != nil:
			return fmt.Errorf("filling etcd: %w", refused)
		}
	}
}
