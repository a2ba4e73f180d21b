package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/test/stand"
)

const (
	// shopper is the client's namespace.
	shopper   = "shopper"
	product   = "japan"
	productID = 712
	wallet    = "main"
	deposited = "1000000"
	// callTimeout is short, so that what hangs does not take the whole story.
	callTimeout = 3 * time.Second
	settleAfter = 5 * time.Second
	inFlight    = 20
	// often is more requests a minute than any client makes here.
	often = 6000
)

// offer is a variant: what it costs, and who fills it.
type offer struct {
	amount   v1alpha1.Decimal
	operator string
}

// offers are one from an SM-DP+ and one from a wholesaler, and nobody else fills either: an order
// waits for its operator.
var offers = map[string]offer{
	"es2plus":   {amount: "4.50", operator: stand.Telco},
	"wholesale": {amount: "3.99", operator: stand.Zendit},
}

// stock opens the shop.
func (w *world) stock(ctx context.Context) error {
	var objects []client.Object
	made := &v1alpha1.EsimProduct{
		ObjectMeta: metav1.ObjectMeta{Name: product},
		Spec:       v1alpha1.EsimProductSpec{ID: ptr.To(int64(productID)), DisplayName: "Japan", CountryCode: "JPN", Currency: "USD"},
	}
	for name, offered := range offers {
		operator := &v1alpha1.EsimOperator{
			ObjectMeta: metav1.ObjectMeta{Name: offered.operator},
			Spec: v1alpha1.EsimOperatorSpec{
				Limits:   v1alpha1.OperatorLimits{RequestsPerSecond: 100, InFlight: inFlight},
				Timeout:  metav1.Duration{Duration: callTimeout},
				Recovery: v1alpha1.OperatorRecovery{SettleAfter: metav1.Duration{Duration: settleAfter}},
			},
		}
		w.simulator.Connect(operator)
		secret, err := w.simulator.Credentials(offered.operator)
		if err != nil {
			return err
		}
		objects = append(objects, secret, operator)
		made.Spec.Variants = append(made.Spec.Variants, v1alpha1.EsimVariant{
			Name: name, DisplayName: name, Amount: offered.amount, DataAmountGB: "1", ValidityDays: 7,
			Sources: []v1alpha1.VariantSource{{OperatorRef: v1alpha1.OperatorReference{Name: offered.operator}, PlanID: stand.Plan(offered.operator)}},
		})
	}
	objects = append(objects, made)
	for _, object := range append(objects, w.clientObjects()...) {
		if err := w.env.Client.Create(ctx, object); err != nil {
			return fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
		}
	}
	return nil
}

// clientObjects are the client's namespace and what is in it before anything is ordered.
func (w *world) clientObjects() []client.Object {
	in := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: shopper, Name: name} }
	bind := func(role, namespace, account string) client.Object {
		return &rbacv1.RoleBinding{
			ObjectMeta: in(role),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}},
		}
	}
	return []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shopper}},
		&corev1.ServiceAccount{ObjectMeta: in(apiAccount)},
		bind("esim-client", shopper, apiAccount),
		bind("esim-facade-client", testenv.SystemNamespace, "esim-facade"),
		&v1alpha1.EsimWallet{
			ObjectMeta: in(wallet),
			Spec: v1alpha1.EsimWalletSpec{
				Currency: "USD", Type: v1alpha1.WalletPrepaid, Deposits: []v1alpha1.WalletDeposit{{Reference: "first", Amount: deposited}},
			},
		},
		&corev1.Secret{ObjectMeta: in("hook"), Data: map[string][]byte{"only": []byte(signingSecret)}},
		&v1alpha1.EsimClient{
			ObjectMeta: in(v1alpha1.ClientName),
			Spec: v1alpha1.EsimClientSpec{RateLimits: &v1alpha1.RateLimits{Read: often, Order: often}, Webhooks: []v1alpha1.WebhookEndpoint{{
				Name: "shop", URL: "http://" + w.post.hooks.address + "/hooks", SigningSecretRef: v1alpha1.SecretReference{Name: "hook"},
			}}},
		},
	}
}
