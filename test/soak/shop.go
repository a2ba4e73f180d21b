package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testenv"
)

// The four operators, by the names of their EsimOperators; those of wholesalers are also their
// paths in the simulator's control API.
const (
	telco      = "telco-one"
	zendit     = "zendit"
	esimAccess = "esim-access"
	airalo     = "airalo"
)

const (
	product = "japan"
	wallet  = "main"
	// deposited in each wallet: more than all orders cost.
	deposited = "1000000"
	// callTimeout is short, so that what hangs does not take the whole storm.
	callTimeout   = 3 * time.Second
	failoverAfter = 5 * time.Second
	settleAfter   = 5 * time.Second
)

// plans are one week in Japan by each operator's name for it.
var plans = map[string]string{telco: "JP-1GB-7D", zendit: "ESIM-JP-7D-1GB-NOROAM", esimAccess: "JP_1_7", airalo: "jp-7days-1gb"}

// offer is a variant of the product: an order of operators, a price, and how often it is ordered.
type offer struct {
	name    string
	amount  v1alpha1.Decimal
	sources []string
	// weight is how many of 100 orders are for it.
	weight int
	// unknown plans are sold by nobody: such an order must FAIL.
	unknown bool
}

// offers begin at each operator. Airalo gives three tokens a minute, to a manager that dies more
// often than that: little goes there first.
var offers = []offer{
	{name: "telco-first", amount: "4.50", sources: []string{telco, zendit, esimAccess, airalo}, weight: 43},
	{name: "zendit-first", amount: "3.99", sources: []string{zendit, esimAccess, telco, airalo}, weight: 25},
	{name: "access-first", amount: "4.07", sources: []string{esimAccess, telco, zendit, airalo}, weight: 20},
	{name: "airalo-first", amount: "6.01", sources: []string{airalo, zendit, telco}, weight: 7},
	{name: "nowhere", amount: "5.55", sources: []string{telco, zendit, esimAccess, airalo}, weight: 5, unknown: true},
}

// stock opens the shop: operators with their Secrets, the product, and clients with wallets.
func (s *soak) stock(ctx context.Context) error {
	objects := []client.Object{s.product()}
	for _, name := range slices.Sorted(maps.Keys(plans)) {
		operator := s.operator(name)
		secret, err := s.credentials(name)
		if err != nil {
			return err
		}
		objects = append(objects, secret, operator)
	}
	for n := range 4 {
		name := fmt.Sprintf("client-%d", n)
		s.clients = append(s.clients, name)
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, &v1alpha1.EsimWallet{
			ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: wallet},
			Spec: v1alpha1.EsimWalletSpec{
				Currency: "USD", Type: v1alpha1.WalletPrepaid, Deposits: []v1alpha1.WalletDeposit{{Reference: "first", Amount: deposited}},
			},
		})
	}
	for _, object := range objects {
		if err := s.env.Client.Create(ctx, object); err != nil {
			return fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
		}
	}
	return s.admitGauges(ctx)
}

func (s *soak) product() *v1alpha1.EsimProduct {
	made := &v1alpha1.EsimProduct{
		ObjectMeta: metav1.ObjectMeta{Name: product},
		Spec:       v1alpha1.EsimProductSpec{DisplayName: "Japan", CountryCode: "JPN", Currency: "USD"},
	}
	for _, offered := range offers {
		variant := v1alpha1.EsimVariant{Name: offered.name, DisplayName: offered.name, Amount: offered.amount, DataAmountGB: "1", ValidityDays: 7}
		for _, operator := range offered.sources {
			plan := plans[operator]
			if offered.unknown {
				plan = "no-such-plan"
			}
			variant.Sources = append(variant.Sources, v1alpha1.VariantSource{OperatorRef: v1alpha1.OperatorReference{Name: operator}, PlanID: plan})
		}
		made.Spec.Variants = append(made.Spec.Variants, variant)
	}
	return made
}

func (s *soak) operator(name string) *v1alpha1.EsimOperator {
	after := func(d time.Duration) metav1.Duration { return metav1.Duration{Duration: d} }
	made := &v1alpha1.EsimOperator{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.EsimOperatorSpec{
			Limits: v1alpha1.OperatorLimits{RequestsPerSecond: 100, InFlight: 20}, Timeout: after(callTimeout),
			Recovery: v1alpha1.OperatorRecovery{GiveUpAfter: after(24 * time.Hour), FailoverAfter: after(failoverAfter), SettleAfter: after(settleAfter)},
		},
	}
	secret := v1alpha1.SecretReference{Name: name}
	reseller := func(path string) *v1alpha1.ResellerDriver {
		return &v1alpha1.ResellerDriver{URL: "https://" + s.addresses[name] + path, CredentialsSecretRef: secret}
	}
	switch name {
	case telco:
		made.Spec.ES2Plus = &v1alpha1.ES2PlusDriver{
			URL: "https://" + s.addresses[name], FunctionRequesterIdentifier: smdp.DefaultRequester, TLSSecretRef: secret,
		}
	case zendit:
		made.Spec.Zendit = reseller("/v1")
	case esimAccess:
		made.Spec.EsimAccess = reseller("/api/v1/open")
	case airalo:
		made.Spec.Airalo = reseller("/v2")
	}
	return made
}

// credentials is the Secret of what the simulator has written into an operator's folder.
func (s *soak) credentials(name string) (*corev1.Secret, error) {
	folder := filepath.Join(s.folder, "smdp", "wholesalers", name)
	if name == telco {
		folder = filepath.Join(s.folder, "smdp", "pki", "clients", smdp.DefaultRequester)
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("reading the credentials at %s: %w", name, err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: name}, Data: map[string][]byte{}}
	for _, file := range files {
		if secret.Data[file.Name()], err = os.ReadFile(filepath.Join(folder, file.Name())); err != nil {
			return nil, fmt.Errorf("reading the credentials at %s: %w", name, err)
		}
	}
	return secret, nil
}
