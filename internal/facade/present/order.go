// Package present puts an order into the one shape in which clients see it, in the REST API's
// answers and in the webhooks that are sent to them.
package present

import (
	"github.com/telcodev/esim-operator/api/rest/decimal"
	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/wire"
)

// Order is an order as clients see it, without its activation code. product is what the
// catalogue says of it now.
func Order(order *v1alpha1.EsimOrder, product orders.Product) wire.Order {
	o := orders.Describe(order, product)
	return wire.Order{
		ID: o.ID, ClientReference: OrAbsent(o.ClientReference),
		Status: wire.OrderStatus(o.Status), StatusText: o.StatusText,
		ProductID: OrAbsent(o.ProductID), VariantID: OrAbsent(o.VariantID),
		ProductName: o.ProductName, CountryCode: string(o.CountryCode),
		DataAmountGB: OrAbsent(decimal.Number(o.DataAmountGB)), ValidityDays: OrAbsent(int64(o.ValidityDays)),
		Amount: decimal.Number(o.Amount), Currency: string(o.Currency),
		ICCID: OrAbsent(o.ICCID), ActivationStatus: OrAbsent(wire.ActivationStatus(o.ActivationStatus)),
		IsInstalled: o.IsInstalled, InstalledAt: OrAbsent(o.InstalledAt), ActivatedAt: OrAbsent(o.ActivatedAt),
		ExpiresAt: OrAbsent(o.ExpiresAt), RefreshedAt: OrAbsent(o.RefreshedAt),
		TransactionID: OrAbsent(o.TransactionID), RefundTransactionID: OrAbsent(o.RefundTransactionID), WalletID: OrAbsent(o.WalletID),
		NotificationEmail: OrAbsent(o.NotificationEmail), FailureCode: OrAbsent(wire.FailureCode(o.FailureCode)),
		FailureReason: OrAbsent(o.FailureReason), IsUserFixable: o.IsUserFixable,
		CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt,
	}
}

// OrAbsent points to a value, or is nil where it is the zero value: what is not there is left
// out, never null.
func OrAbsent[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
