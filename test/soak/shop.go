package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/test/stand"
)

const (
	product   = "japan"
	productID = 712 // REST clients know it by that
	wallet    = "main"
	// deposited in each wallet: more than all orders cost.
	deposited = "1000000"
	// callTimeout is short, so that what hangs does not take the whole storm.
	callTimeout   = 3 * time.Second
	failoverAfter = 5 * time.Second
	settleAfter   = 5 * time.Second
)

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
	{name: "telco-first", amount: "4.50", sources: []string{stand.Telco, stand.Zendit, stand.EsimAccess, stand.Airalo}, weight: 43},
	{name: "zendit-first", amount: "3.99", sources: []string{stand.Zendit, stand.EsimAccess, stand.Telco, stand.Airalo}, weight: 25},
	{name: "access-first", amount: "4.07", sources: []string{stand.EsimAccess, stand.Telco, stand.Zendit, stand.Airalo}, weight: 20},
	{name: "airalo-first", amount: "6.01", sources: []string{stand.Airalo, stand.Zendit, stand.Telco}, weight: 7},
	{name: "nowhere", amount: "5.55", sources: []string{stand.Telco, stand.Zendit, stand.EsimAccess, stand.Airalo}, weight: 5, unknown: true},
}

// stock opens the shop: operators with their Secrets, the product, and clients with wallets.
func (s *soak) stock(ctx context.Context) error {
	objects := []client.Object{s.product()}
	for _, name := range stand.Operators() {
		operator := s.operator(name)
		secret, err := s.simulator.Credentials(name)
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
		if s.post != nil {
			objects = append(objects, s.told(name)...)
		}
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
		Spec:       v1alpha1.EsimProductSpec{ID: ptr.To(int64(productID)), DisplayName: "Japan", CountryCode: "JPN", Currency: "USD"},
	}
	for _, offered := range offers {
		variant := v1alpha1.EsimVariant{Name: offered.name, DisplayName: offered.name, Amount: offered.amount, DataAmountGB: "1", ValidityDays: 7}
		for _, operator := range offered.sources {
			plan := stand.Plan(operator)
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
	s.simulator.Connect(made)
	return made
}
