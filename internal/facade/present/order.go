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
		ID: o.ID, ClientReference: orAbsent(o.ClientReference),
		Status: wire.OrderStatus(o.Status), StatusText: o.StatusText,
		ProductID: orAbsent(o.ProductID), VariantID: orAbsent(o.VariantID),
		ProductName: o.ProductName, CountryCode: string(o.CountryCode),
		DataAmountGB: orAbsent(decimal.Number(o.DataAmountGB)), ValidityDays: orAbsent(int64(o.ValidityDays)),
		Amount: decimal.Number(o.Amount), Currency: string(o.Currency),
		ICCID: orAbsent(o.ICCID), ActivationStatus: orAbsent(wire.ActivationStatus(o.ActivationStatus)),
		IsInstalled: o.IsInstalled, InstalledAt: orAbsent(o.InstalledAt), ActivatedAt: orAbsent(o.ActivatedAt),
		ExpiresAt: orAbsent(o.ExpiresAt), RefreshedAt: orAbsent(o.RefreshedAt),
		TransactionID: orAbsent(o.TransactionID), RefundTransactionID: orAbsent(o.RefundTransactionID), WalletID: orAbsent(o.WalletID),
		NotificationEmail: orAbsent(o.NotificationEmail), FailureCode: orAbsent(wire.FailureCode(o.FailureCode)),
		FailureReason: orAbsent(o.FailureReason), IsUserFixable: o.IsUserFixable,
		CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt,
	}
}

// orAbsent is a value, or nothing where it is the zero value: what is not there is left out,
// never null.
func orAbsent[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
