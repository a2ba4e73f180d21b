package manager

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/internal/shard"
)

// selector of the namespaces to work in; nil for all.
func (c Config) selector() (labels.Selector, error) {
	selector, err := labels.Parse(c.NamespaceSelector)
	if err != nil {
		return nil, fmt.Errorf("namespaceSelector is %q; it may be a label selector such as esim.telco.dev/shard=a: %w", c.NamespaceSelector, err)
	}
	if selector.Empty() {
		return nil, nil
	}
	return selector, nil
}

func (c Config) validateSelector() error {
	selector, err := c.selector()
	if err == nil && selector != nil && !c.LeaderElection.Enabled {
		return fmt.Errorf("namespaceSelector needs leaderElection.enabled: by their leases managers tell which of them is at work")
	}
	return err
}

// nameLease gives managers with a selector a lease of their own, where no other name was chosen.
// Those with the same selector share one: they stand by for one another.
func (c *Config) nameLease() error {
	selector, err := c.selector()
	if err != nil || selector == nil || c.LeaderElection.LeaseName != defaultLeaseName {
		return err
	}
	sum := sha256.Sum256([]byte(selector.String()))
	c.LeaderElection.LeaseName += "-" + hex.EncodeToString(sum[:4])
	return nil
}

// worksIn is what the leader's lease tells other managers.
func (c Config) worksIn() string {
	if selector, err := c.selector(); err != nil || selector != nil {
		return shard.WorksInSelected
	}
	return shard.WorksInAll
}

// newShard is the part of the clients that the manager works for; nil for a manager without an
// election, which is the only one there is.
func (p parts) newShard(ctx context.Context, config Config) (*shard.Shard, error) {
	selector, err := config.selector()
	if err != nil || !config.LeaderElection.Enabled {
		return nil, err
	}
	part := shard.New(shard.Config{
		Name: config.LeaderElection.LeaseName, Namespace: config.Namespace,
		LeaseDuration: config.LeaderElection.LeaseDuration.Duration,
		Selector:      selector, Namespaces: p.mgr.GetClient(), Live: p.live, Writer: p.writer, Fence: p.fence,
		Clock: clock.RealClock{}, Log: p.mgr.GetLogger().WithName("shard"),
	})
	if selector != nil {
		if err := p.watchNamespaces(ctx, part); err != nil {
			return nil, err
		}
	}
	if err := p.mgr.Add(part); err != nil {
		return nil, fmt.Errorf("adding the shard: %w", err)
	}
	return part, nil
}

// watchNamespaces tells a shard of namespaces that come, go and change. Of them only the metadata
// is kept.
func (p parts) watchNamespaces(ctx context.Context, part *shard.Shard) error {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	informer, err := p.mgr.GetCache().GetInformer(ctx, namespace)
	if err != nil {
		return fmt.Errorf("watching namespaces: %w", err)
	}
	changed := func(object any) {
		if gone, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
			object = gone.Obj
		}
		if seen, ok := object.(*metav1.PartialObjectMetadata); ok {
			part.Changed(seen.Name)
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: changed, UpdateFunc: func(_, now any) { changed(now) }, DeleteFunc: changed,
	})
	if err != nil {
		return fmt.Errorf("watching namespaces: %w", err)
	}
	return nil
}
