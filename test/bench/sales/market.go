// Package sales measures the manager: how many orders it delivers beside what the API server
// can take, how late, at what cost in writes and memory. All runs as processes of their own on
// this machine: etcd, kube-apiserver, the simulator of operators and the manager.
package sales

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/test/stand"
)

const (
	product = "japan"
	variant = "1gb-7d"
	wallet  = "main"
	price   = v1alpha1.Decimal("4.50")
	// clients buy in turns.
	clients = 8
)

func clientName(i int) string { return fmt.Sprintf("client-%d", i%clients) }

// market is a control plane and, once it is started, a manager with its operators.
type market struct {
	env    *testenv.Environment
	config *rest.Config
	// buyer creates and reads as an administrator, as fast as it can.
	buyer client.WithWatch

	folder                 string
	metrics, health, pprof string
	simulator              *stand.Simulator
	manager                *stand.Process
	closers                []func() error
}

// openMarket brings up a control plane with clients, their wallets and a product.
func openMarket(ctx context.Context, audit testenv.AuditLevel) (*market, error) {
	m := &market{}
	if err := m.open(ctx, audit); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

func (m *market) open(ctx context.Context, audit testenv.AuditLevel) (err error) {
	if m.env, err = testenv.Start(ctx, testenv.Options{Audit: audit}); err != nil {
		return err
	}
	m.closers = append(m.closers, m.env.Stop)
	m.config = rest.CopyConfig(m.env.Config)
	m.config.QPS = -1
	if m.buyer, err = client.NewWithWatch(m.config, client.Options{Scheme: m.env.Scheme}); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	for n := range clients {
		for _, object := range []client.Object{
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: clientName(n)}},
			&v1alpha1.EsimWallet{
				ObjectMeta: metav1.ObjectMeta{Namespace: clientName(n), Name: wallet},
				Spec: v1alpha1.EsimWalletSpec{
					Currency: "USD", Type: v1alpha1.WalletPrepaid,
					Deposits: []v1alpha1.WalletDeposit{{Reference: "first", Amount: "9000000"}},
				},
			},
		} {
			if err := m.buyer.Create(ctx, object); err != nil {
				return fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
			}
		}
	}
	return nil
}

// end closes the market after a measurement. A measurement that failed tells what became of the
// manager.
func (m *market) end(err error) error {
	if err != nil && m.manager != nil {
		err = errors.Join(err, m.managersStory())
	}
	return errors.Join(err, m.close())
}

// managersStory is whether the manager still runs, and the end of its log.
func (m *market) managersStory() error {
	const tail = 3000
	state := "the manager runs"
	select {
	case <-m.manager.Ended():
		state = "the manager has ended"
	default:
	}
	log, err := os.ReadFile(filepath.Join(m.folder, m.manager.Name()+".log"))
	if err != nil {
		return fmt.Errorf("%s, and its log cannot be read: %w", state, err)
	}
	return fmt.Errorf("%s; the end of its log:\n%s", state, log[max(0, len(log)-tail):])
}

// close ends everything, what began last first.
func (m *market) close() error {
	errs := []error{m.manager.Kill()}
	for i := len(m.closers) - 1; i >= 0; i-- {
		errs = append(errs, m.closers[i]())
	}
	m.closers = nil
	return errors.Join(errs...)
}

// staff builds and starts the simulator, puts the operators and the product on the API server, and
// starts the manager. change, where set, changes an operator before it is made.
func (m *market) staff(ctx context.Context, names []string, change func(*v1alpha1.EsimOperator)) (err error) {
	if m.folder, err = os.MkdirTemp("", "esim-bench-"); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	m.closers = append(m.closers, func() error { return os.RemoveAll(m.folder) })
	build := exec.CommandContext(ctx, "go", "build", "-o", m.folder+string(filepath.Separator), "./cmd/manager", "./cmd/smdp-simulator")
	build.Dir, build.Stderr = m.env.Root, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building the manager and the simulator: %w", err)
	}
	if m.simulator, err = stand.StartSimulator(ctx, m.folder); err != nil {
		return err
	}
	m.closers = append(m.closers, m.simulator.Kill)
	for _, name := range names {
		if err := m.connect(ctx, name, change); err != nil {
			return err
		}
	}
	if err := m.offer(ctx, names); err != nil {
		return err
	}
	free, err := stand.FreeAddresses(ctx, 3)
	if err != nil {
		return err
	}
	m.metrics, m.health, m.pprof = free[0], free[1], free[2]
	identity, err := m.env.ManagerConfig()
	if err != nil {
		return err
	}
	if err := stand.WriteKubeconfig(filepath.Join(m.folder, "kubeconfig"), identity); err != nil {
		return err
	}
	return m.startManager(ctx)
}

func (m *market) connect(ctx context.Context, name string, change func(*v1alpha1.EsimOperator)) error {
	secret, err := m.simulator.Credentials(name)
	if err != nil {
		return err
	}
	operator := &v1alpha1.EsimOperator{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.EsimOperatorSpec{
			Limits:  v1alpha1.OperatorLimits{RequestsPerSecond: 10_000, InFlight: 500},
			Timeout: metav1.Duration{Duration: 30 * time.Second},
		},
	}
	m.simulator.Connect(operator)
	if change != nil {
		change(operator)
	}
	for _, object := range []client.Object{secret, operator} {
		if err := m.buyer.Create(ctx, object); err != nil {
			return fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
		}
	}
	return nil
}

// offer makes the product: a variant for each operator, of the operator's name.
func (m *market) offer(ctx context.Context, names []string) error {
	made := &v1alpha1.EsimProduct{
		ObjectMeta: metav1.ObjectMeta{Name: product},
		Spec:       v1alpha1.EsimProductSpec{DisplayName: "Japan", CountryCode: "JPN", Currency: "USD"},
	}
	for i, name := range names {
		made.Spec.Variants = append(made.Spec.Variants, v1alpha1.EsimVariant{
			Name: name, DisplayName: "1 GB / 7 days", DataAmountGB: "1", ValidityDays: 7,
			Amount:  v1alpha1.Decimal(fmt.Sprintf("%d.50", 4+i)),
			Sources: []v1alpha1.VariantSource{{OperatorRef: v1alpha1.OperatorReference{Name: name}, PlanID: stand.Plan(name)}},
		})
	}
	if err := m.buyer.Create(ctx, made); err != nil {
		return fmt.Errorf("creating EsimProduct %s: %w", made.Name, err)
	}
	return nil
}

// startManager starts the manager as it is in earnest but for its addresses, and returns once it
// is ready.
func (m *market) startManager(ctx context.Context) (err error) {
	config := filepath.Join(m.folder, "manager.yaml")
	if err := os.WriteFile(config, []byte("pprofBindAddress: "+m.pprof+"\nlogLevel: error\n"), 0o600); err != nil {
		return fmt.Errorf("writing the manager's configuration: %w", err)
	}
	if m.manager, err = stand.StartProcess(m.folder, "manager", []string{"KUBECONFIG=" + filepath.Join(m.folder, "kubeconfig")},
		"controllers", "--config="+config, "--metrics-bind-address="+m.metrics, "--health-probe-bind-address="+m.health); err != nil {
		return err
	}
	return stand.AwaitAnswer(ctx, "http://"+m.health+"/readyz")
}

// slow has each call to the SM-DP+ take this long.
func (m *market) slow(ctx context.Context, latency time.Duration) error {
	return m.simulator.Tell(ctx, http.MethodPut, "/latency", fmt.Sprintf(`{"fixed": %q}`, latency), nil)
}

// newOrder of a client for the variant of an operator.
func newOrder(namespace, name, operator string) *v1alpha1.EsimOrder {
	return &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: product}, Variant: operator},
	}
}
