// Package testshop opens shops for tests: an SM-DP+ in this process, an EsimOperator that
// is connected to it, a product, and a client's namespace to order from, on a real control
// plane.
package testshop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testenv"
)

const (
	// Plan is the profile type that the shop's SM-DP+ has in stock.
	Plan = "JP-1GB-7D"
	// Variant is the product's only variant.
	Variant = "1gb-7d"
	// Amount is its price.
	Amount = v1alpha1.Decimal("4.50")
	// WalletName is the namespace's wallet, in USD.
	WalletName = "main"
	// SMDPAddress is what the SM-DP+ answers for activation codes.
	SMDPAddress = "rsp.example.com"
)

// Shop is an SM-DP+ and what the API server knows of it. Operator, product and namespace
// have the shop's name.
type Shop struct {
	Name string
	SMDP *smdp.Server

	admin client.Client
}

// Options of a shop.
type Options struct {
	// SMDP, where set, is the SM-DP+ of the shop: whoever started it ends it.
	SMDP *smdp.Server
	// Stock of Plan; 10,000 where 0.
	Stock int
	// SMDPAddress that the SM-DP+ answers; SMDPAddress where nil.
	SMDPAddress *string
	// Operator changes the EsimOperator before it is created.
	Operator func(*v1alpha1.EsimOperator)
	// Product changes the EsimProduct before it is created.
	Product func(*v1alpha1.EsimProduct)
	// Wallet changes the EsimWallet before it is created.
	Wallet func(*v1alpha1.EsimWallet)
}

// Open opens a shop. Close must be called.
func Open(ctx context.Context, admin client.Client, name string, o Options) (*Shop, error) {
	address := SMDPAddress
	if o.SMDPAddress != nil {
		address = *o.SMDPAddress
	}
	if o.Stock == 0 {
		o.Stock = 10_000
	}
	server := o.SMDP
	if server == nil {
		var err error
		if server, err = startSMDP(ctx, smdp.Options{SMDPAddress: address, Stock: map[string]int{Plan: o.Stock}}); err != nil {
			return nil, err
		}
	}
	shop := &Shop{Name: name, SMDP: server, admin: admin}
	operator, product, wallet := shop.operator(), shop.product(), shop.NewWallet()
	if o.Operator != nil {
		o.Operator(operator)
	}
	if o.Product != nil {
		o.Product(product)
	}
	if o.Wallet != nil {
		o.Wallet(wallet)
	}
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, shop.Credentials(), operator, product, wallet,
	}
	for _, object := range objects {
		if err := admin.Create(ctx, object); err != nil {
			err = fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
			if o.SMDP == nil {
				err = errors.Join(err, server.Close())
			}
			return nil, err
		}
	}
	return shop, nil
}

func startSMDP(ctx context.Context, o smdp.Options) (*smdp.Server, error) {
	server, err := smdp.New(o)
	if err != nil {
		return nil, fmt.Errorf("making the SM-DP+: %w", err)
	}
	if err := server.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the SM-DP+: %w", err), server.Close())
	}
	return server, nil
}

// Close ends the SM-DP+. What the API server knows stays.
func (s *Shop) Close() error { return s.SMDP.Close() }

// Credentials is the Secret with the client certificate for the SM-DP+.
func (s *Shop) Credentials() *corev1.Secret {
	pki := s.SMDP.PKI()
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: s.Name + "-es2plus"},
		Data: map[string][]byte{
			corev1.TLSCertKey: pki.ClientCert, corev1.TLSPrivateKeyKey: pki.ClientKey,
			corev1.ServiceAccountRootCAKey: pki.CA,
		},
	}
}

func (s *Shop) operator() *v1alpha1.EsimOperator {
	return &v1alpha1.EsimOperator{
		ObjectMeta: metav1.ObjectMeta{Name: s.Name},
		Spec: v1alpha1.EsimOperatorSpec{
			ES2Plus: &v1alpha1.ES2PlusDriver{
				URL:                         s.SMDP.URL(),
				FunctionRequesterIdentifier: smdp.DefaultRequester,
				TLSSecretRef:                v1alpha1.SecretReference{Name: s.Name + "-es2plus"},
			},
			Limits:  v1alpha1.OperatorLimits{RequestsPerSecond: 10_000, InFlight: 50},
			Timeout: metav1.Duration{Duration: 2 * time.Second},
		},
	}
}

func (s *Shop) product() *v1alpha1.EsimProduct {
	return &v1alpha1.EsimProduct{
		ObjectMeta: metav1.ObjectMeta{Name: s.Name},
		Spec: v1alpha1.EsimProductSpec{
			DisplayName: "Japan", CountryCode: "JPN", Currency: "USD",
			Variants: []v1alpha1.EsimVariant{{
				Name: Variant, DisplayName: "1 GB / 7 days", Amount: Amount, DataAmountGB: "1", ValidityDays: 7,
				Sources: []v1alpha1.VariantSource{s.Source(Plan)},
			}},
		},
	}
}

// NewWallet is the namespace's wallet, with more money than any test spends.
func (s *Shop) NewWallet() *v1alpha1.EsimWallet {
	return &v1alpha1.EsimWallet{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: WalletName},
		Spec: v1alpha1.EsimWalletSpec{
			Currency: "USD", Type: v1alpha1.WalletPrepaid,
			Deposits: []v1alpha1.WalletDeposit{{Reference: "first", Amount: "1000000"}},
		},
	}
}

// Wallet is the wallet as the API server has it.
func (s *Shop) Wallet(ctx context.Context) (*v1alpha1.EsimWallet, error) {
	var wallet v1alpha1.EsimWallet
	if err := s.admin.Get(ctx, types.NamespacedName{Namespace: s.Name, Name: WalletName}, &wallet); err != nil {
		return nil, fmt.Errorf("reading the wallet: %w", err)
	}
	return &wallet, nil
}

// Source is a plan at this shop's operator.
func (s *Shop) Source(plan string) v1alpha1.VariantSource {
	return v1alpha1.VariantSource{OperatorRef: v1alpha1.OperatorReference{Name: s.Name}, PlanID: plan}
}

// NewOrder is an order of the shop's plan, not created yet.
func (s *Shop) NewOrder(name string, change ...func(*v1alpha1.EsimOrder)) *v1alpha1.EsimOrder {
	order := &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: name},
		Spec: v1alpha1.EsimOrderSpec{
			ProductRef: v1alpha1.ProductReference{Name: s.Name}, Variant: Variant,
		},
	}
	for _, c := range change {
		c(order)
	}
	return order
}

// Order creates an order of the shop's plan.
func (s *Shop) Order(ctx context.Context, name string, change ...func(*v1alpha1.EsimOrder)) (*v1alpha1.EsimOrder, error) {
	order := s.NewOrder(name, change...)
	if err := s.admin.Create(ctx, order); err != nil {
		return nil, fmt.Errorf("ordering: %w", err)
	}
	return order, nil
}

// Find is the order as the API server has it; nil where it is gone.
func (s *Shop) Find(ctx context.Context, name string) (*v1alpha1.EsimOrder, error) {
	var order v1alpha1.EsimOrder
	err := s.admin.Get(ctx, types.NamespacedName{Namespace: s.Name, Name: name}, &order)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the order: %w", err)
	}
	return &order, nil
}

// Secret is the order's activation Secret; nil where there is none.
func (s *Shop) Secret(ctx context.Context, order string) (*corev1.Secret, error) {
	var secret corev1.Secret
	err := s.admin.Get(ctx, types.NamespacedName{Namespace: s.Name, Name: v1alpha1.ActivationSecretName(order)}, &secret)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the activation Secret: %w", err)
	}
	return &secret, nil
}

// InState counts the SM-DP+'s profiles that are in one of the states.
func (s *Shop) InState(states ...smdp.State) int {
	n := 0
	for _, profile := range s.SMDP.Profiles() {
		if slices.Contains(states, profile.State) {
			n++
		}
	}
	return n
}

// Bought counts the profiles that somebody could use: what has been paid for.
func (s *Shop) Bought() int {
	return s.InState(smdp.StateReleased, smdp.StateDownloaded, smdp.StateInstalled)
}

// Stranded counts the profiles that are reserved and that nobody may know any more.
func (s *Shop) Stranded() int {
	return s.InState(smdp.StateAllocated, smdp.StateLinked, smdp.StateConfirmed)
}
