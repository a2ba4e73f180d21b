package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
)

const (
	// products on sale: more than a page shows.
	products = 60
	// price of each product's only plan.
	price    = "4.50"
	planName = "1gb-7d"
	// firstProduct is the id of the first product; the others follow.
	firstProduct = 700
)

// stock puts the products on sale. No controller runs: they are numbered here.
func (s *stand) stock(ctx context.Context) error {
	for i := range products {
		product := &v1alpha1.EsimProduct{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("country-%02d", i)},
			Spec: v1alpha1.EsimProductSpec{
				DisplayName: fmt.Sprintf("Country %d", i), CountryCode: "JPN", Currency: "USD",
				ImageURL: "https://img.example.com/country.png",
				Variants: []v1alpha1.EsimVariant{{
					Name: planName, DisplayName: "1 GB / 7 days", Amount: price, DataAmountGB: "1", ValidityDays: 7,
					Sources: []v1alpha1.VariantSource{{OperatorRef: v1alpha1.OperatorReference{Name: "operator"}, PlanID: "1GB"}},
				}},
			},
		}
		if err := s.env.Client.Create(ctx, product); err != nil {
			return fmt.Errorf("creating EsimProduct %s: %w", product.Name, err)
		}
		product.Status.ID = int64(firstProduct + i)
		product.Status.Variants = []v1alpha1.VariantStatus{{Name: planName, ID: int64(10*firstProduct + i)}}
		if err := s.env.Client.Status().Update(ctx, product); err != nil {
			return fmt.Errorf("numbering EsimProduct %s: %w", product.Name, err)
		}
	}
	return nil
}

// install makes the buyer's order whose profile is on its device.
func (s *stand) install(ctx context.Context) error {
	order := &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{Namespace: buyer, Name: installedOrder, Finalizers: []string{v1alpha1.SettlementFinalizer}},
		Spec: v1alpha1.EsimOrderSpec{
			ProductRef: v1alpha1.ProductReference{Name: "country-00"}, Amount: price, ClientReference: "TRIP_TOKYO",
			NotificationEmail: "ann@example.com",
		},
	}
	if err := s.env.Client.Create(ctx, order); err != nil {
		return fmt.Errorf("creating EsimOrder %s: %w", order.Name, err)
	}
	delivered(order, "4ecd7a7e-0000-4000-8000-000000000001", time.Now())
	order.Status.Activation = &v1alpha1.OrderActivation{
		Status: v1alpha1.ActivationActive, Installed: true, InstalledTime: ptr.To(metav1.Now()),
	}
	if err := s.env.Client.Status().Update(ctx, order); err != nil {
		return fmt.Errorf("delivering EsimOrder %s: %w", order.Name, err)
	}
	return nil
}

// delivered is what the controllers write to an order by the time that it is delivered.
func delivered(order *v1alpha1.EsimOrder, wallet types.UID, at time.Time) {
	when := metav1.NewTime(at.Truncate(time.Second))
	id := ids.Order(order.Name, order.UID)
	order.Status.ID, order.Status.Phase, order.Status.ObservedGeneration = id, v1alpha1.PhaseDelivered, order.Generation
	order.Status.Plan = &v1alpha1.OrderPlan{
		Product: order.Spec.ProductRef.Name, Variant: planName, DisplayName: "Country 1 GB / 7 days", CountryCode: "JPN",
		DataAmountGB: "1", ValidityDays: 7, Amount: price, Currency: "USD",
	}
	order.Status.Charge = &v1alpha1.OrderCharge{
		WalletRef: v1alpha1.WalletReference{Name: "main"}, WalletUID: wallet, Amount: price, Currency: "USD",
		TransactionID: ids.Debit(id), Time: when,
	}
	order.Status.Provisioning = &v1alpha1.OrderProvisioning{
		OperatorRef: v1alpha1.OperatorReference{Name: "operator"}, PlanID: "1GB", Attempt: 1,
		RequestID: string(order.UID) + "-1", StartTime: when,
	}
	order.Status.Esim = &v1alpha1.OrderEsim{
		ICCID: fmt.Sprintf("894411%013d", id%1e13), ActivationCode: "LPA:1$rsp.example.com$********",
		SecretRef: v1alpha1.SecretReference{Name: v1alpha1.ActivationSecretName(order.Name)},
	}
	order.Status.Activation = &v1alpha1.OrderActivation{Status: v1alpha1.ActivationNotInstalled}
	order.Status.Conditions = v1alpha1.Conditions{}
	for _, kind := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionCharged, v1alpha1.ConditionProvisioned, "Ready"} {
		order.Status.Conditions = append(order.Status.Conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: "Done", ObservedGeneration: order.Generation, LastTransitionTime: when,
		})
	}
}
