package sales

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/test/stand"
)

// stored are orders that are DELIVERED, as etcd has them: copies of one that the manager has
// delivered, each with numbers of its own. Their Secrets are not there: nothing that is measured
// reads them.
type stored struct {
	key string
	// wallets are the UIDs of the clients' wallets, by namespace.
	wallets  map[string]string
	template unstructured.Unstructured
	// prefix of their names.
	prefix string
	made   int
}

// template is an order that the manager has delivered.
func (m *market) template(ctx context.Context, namespace, name string) (*stored, error) {
	entries, err := m.env.EtcdEntries(ctx)
	if err != nil {
		return nil, err
	}
	wallets := map[string]string{}
	for n := range clients {
		var paying v1alpha1.EsimWallet
		if err := m.buyer.Get(ctx, client.ObjectKey{Namespace: clientName(n), Name: wallet}, &paying); err != nil {
			return nil, fmt.Errorf("reading a wallet: %w", err)
		}
		wallets[clientName(n)] = string(paying.UID)
	}
	suffix := "/esimorders/" + namespace + "/" + name
	for _, entry := range entries {
		if strings.HasSuffix(entry.Key, suffix) {
			s := &stored{key: strings.TrimSuffix(entry.Key, namespace+"/"+name), wallets: wallets, prefix: "stored"}
			if err := json.Unmarshal(entry.Value, &s.template.Object); err != nil {
				return nil, fmt.Errorf("reading EsimOrder %s/%s from etcd: %w", namespace, name, err)
			}
			return s, nil
		}
	}
	return nil, fmt.Errorf("EsimOrder %s/%s is not in etcd", namespace, name)
}

// load stores so many more orders. changed, where set, changes what is their own in each.
func (m *market) load(ctx context.Context, s *stored, orders int, changed func(order map[string]any, n int) error) error {
	const batch = 5000
	var entries []testenv.EtcdEntry
	for range orders {
		entry, err := s.next(changed)
		if err != nil {
			return err
		}
		if entries = append(entries, entry); len(entries) == batch {
			if err := m.env.LoadEtcd(ctx, entries); err != nil {
				return err
			}
			entries = entries[:0]
		}
	}
	return m.env.LoadEtcd(ctx, entries)
}

func (s *stored) next(changed func(order map[string]any, n int) error) (testenv.EtcdEntry, error) {
	n := s.made
	s.made++
	order := s.template.DeepCopy()
	order.SetNamespace(clientName(n))
	order.SetName(fmt.Sprintf("%s-%07d", s.prefix, n))
	order.SetUID(uuid.NewUUID())
	id := ids.Order(order.GetName(), order.GetUID())
	own := []struct {
		value any
		path  []string
	}{
		{id, []string{"status", "id"}},
		{s.wallets[order.GetNamespace()], []string{"status", "charge", "walletUID"}},
		{ids.Debit(id), []string{"status", "charge", "transactionID"}},
		{string(order.GetUID()) + "-1", []string{"status", "provisioning", "requestID"}},
		{fmt.Sprintf("8944%015d", n), []string{"status", "esim", "iccid"}},
		{order.GetName() + "-activation", []string{"status", "esim", "secretRef", "name"}},
	}
	for _, field := range own {
		if err := unstructured.SetNestedField(order.Object, field.value, field.path...); err != nil {
			return testenv.EtcdEntry{}, fmt.Errorf("storing an order: %w", err)
		}
	}
	if changed != nil {
		if err := changed(order.Object, n); err != nil {
			return testenv.EtcdEntry{}, fmt.Errorf("storing an order: %w", err)
		}
	}
	text, err := json.Marshal(order.Object)
	if err != nil {
		return testenv.EtcdEntry{}, fmt.Errorf("storing an order: %w", err)
	}
	return testenv.EtcdEntry{Key: s.key + order.GetNamespace() + "/" + order.GetName(), Value: text}, nil
}

// heapInUse is what the manager holds once its garbage is collected, in bytes.
func (m *market) heapInUse(ctx context.Context) (int64, error) {
	text, err := stand.Exchange(ctx, http.MethodGet, "http://"+m.pprof+"/debug/pprof/heap?gc=1&debug=1", "")
	if err != nil {
		return 0, fmt.Errorf("asking for the manager's memory: %w", err)
	}
	found := regexp.MustCompile(`(?m)^# HeapAlloc = (\d+)$`).FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("the manager does not tell its memory")
	}
	return strconv.ParseInt(string(found[1]), 10, 64)
}

// resident is how much of the machine's memory the manager has, in bytes.
func (m *market) resident() (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", m.manager.PID(), "statm"))
	if err != nil {
		return 0, fmt.Errorf("looking at the manager: %w", err)
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, fmt.Errorf("the system does not tell the manager's memory")
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// peak is the most of the machine's memory that the manager has had, in bytes.
func (m *market) peak() (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", m.manager.PID(), "status"))
	if err != nil {
		return 0, fmt.Errorf("looking at the manager: %w", err)
	}
	found := regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`).FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("the system does not tell the manager's greatest memory")
	}
	kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	return kilobytes << 10, err
}

// deliver has one new order delivered, which the manager sees after all that was stored before.
func (m *market) deliver(ctx context.Context, name, operator string) error {
	seen, err := watchDeliveries(ctx, m.buyer, name)
	if err != nil {
		return err
	}
	defer seen.close()
	order := newOrder(clientName(0), name, operator)
	if err := m.buyer.Create(ctx, order); err != nil {
		return fmt.Errorf("creating an order: %w", err)
	}
	_, err = m.until(ctx, seen, order.Namespace, order.Name, time.Now())
	return err
}
