package orders

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
)

// Product is what the catalogue says now about an order's product: the ids, which an order does
// not hold, and what stands in for a plan where none was accepted. The zero value is a product
// that is gone.
type Product struct {
	ID int64
	// VariantID is that of the variant that PlanNames names; 0 where it names none.
	VariantID   int64
	Name        string
	CountryCode v1alpha1.CountryCode
	Currency    v1alpha1.Currency
}

// PlanNames are the EsimProduct and the variant that an order is about; the variant is empty
// where the order asks for an amount and no plan was found yet.
func PlanNames(order *v1alpha1.EsimOrder) (product, variant string) {
	if plan := order.Status.Plan; plan != nil {
		return plan.Product, plan.Variant
	}
	return order.Spec.ProductRef.Name, order.Spec.Variant
}

// Object holds the values of the order object of the REST API, in its words. Ids that are 0,
// texts that are empty and times that are zero are absent, but for Amount, ProductName,
// CountryCode and Currency, which are always there. The activation code is not among them: it
// is in the order's Secret.
type Object struct {
	ID              int64
	ClientReference string
	Status          v1alpha1.OrderPhase
	StatusText      string
	ProductID       int64
	VariantID       int64
	// ProductName is the name of product and plan as they were when the order was accepted.
	ProductName string
	CountryCode v1alpha1.CountryCode
	// DataAmountGB in decimal digits; "0" is unlimited, empty no plan.
	DataAmountGB v1alpha1.Decimal
	ValidityDays int32
	// Amount that was charged, in decimal digits and in Currency; "0" where nothing was.
	Amount   v1alpha1.Amount
	Currency v1alpha1.Currency

	ICCID            string
	ActivationStatus v1alpha1.ActivationStatus
	IsInstalled      bool
	InstalledAt      time.Time
	ActivatedAt      time.Time
	ExpiresAt        time.Time
	RefreshedAt      time.Time

	TransactionID       int64
	RefundTransactionID int64
	WalletID            int64
	NotificationEmail   string

	FailureCode   v1alpha1.FailureCode
	FailureReason string
	// IsUserFixable is there on failed orders only.
	IsUserFixable *bool

	CreatedAt time.Time
	UpdatedAt time.Time
}

// Describe makes an order's object.
func Describe(order *v1alpha1.EsimOrder, product Product) Object {
	o := Object{
		ID: ids.Order(order.Name, order.FirstUID()), ClientReference: order.Spec.ClientReference,
		Status:    cmp.Or(order.Status.Phase, v1alpha1.PhasePending),
		ProductID: product.ID, VariantID: product.VariantID,
		ProductName: product.Name, CountryCode: product.CountryCode,
		Amount: "0", Currency: product.Currency,
		NotificationEmail: order.Spec.NotificationEmail,
		CreatedAt:         order.CreationTimestamp.UTC(), UpdatedAt: updated(order),
	}
	o.StatusText = statusText(order)
	o.addPlan(order.Status.Plan)
	o.addCharge(order.Status.Charge)
	o.addProfile(order)
	if failure := order.Status.Failure; failure != nil {
		fixable := failure.UserFixable
		o.FailureCode, o.FailureReason, o.IsUserFixable = failure.Code, failure.Reason, &fixable
	}
	return o
}

func (o *Object) addPlan(plan *v1alpha1.OrderPlan) {
	if plan == nil {
		return
	}
	o.ProductName, o.CountryCode, o.Currency = plan.DisplayName, plan.CountryCode, plan.Currency
	o.DataAmountGB, o.ValidityDays = plan.DataAmountGB, plan.ValidityDays
}

func (o *Object) addCharge(charge *v1alpha1.OrderCharge) {
	if charge == nil {
		return
	}
	o.Amount, o.Currency = charge.Amount, charge.Currency
	o.TransactionID, o.WalletID = charge.TransactionID, ids.Wallet(charge.WalletUID)
	if charge.Refund != nil {
		o.RefundTransactionID = charge.Refund.TransactionID
	}
}

// addProfile adds what is known of the delivered profile.
func (o *Object) addProfile(order *v1alpha1.EsimOrder) {
	if order.Status.Esim != nil {
		o.ICCID = order.Status.Esim.ICCID
	}
	activation := order.Status.Activation
	if activation == nil {
		return
	}
	o.ActivationStatus, o.IsInstalled = activation.Status, activation.Installed
	o.InstalledAt = moment(activation.InstalledTime)
	o.ActivatedAt, o.ExpiresAt = moment(activation.ActivatedTime), moment(activation.ExpiryTime)
	o.RefreshedAt = moment(activation.RefreshedTime)
}

// statusText says in words how an order stands.
func statusText(order *v1alpha1.EsimOrder) string {
	refunded := order.Status.Charge != nil && order.Status.Charge.Refund != nil
	cancelling := order.Spec.Cancel && !meta.IsStatusConditionTrue(order.Status.Conditions, v1alpha1.ConditionCancelRefused)
	switch phase := order.Status.Phase; {
	case phase == v1alpha1.PhaseFailed && refunded:
		return "Failed and refunded"
	case phase == v1alpha1.PhaseFailed:
		return "Failed"
	case phase == v1alpha1.PhaseCancelled && refunded:
		return "Cancelled and refunded"
	case phase == v1alpha1.PhaseCancelled:
		return "Cancelled"
	case phase == v1alpha1.PhaseDelivered && cancelling:
		return "Delivered; being cancelled"
	case phase == v1alpha1.PhaseDelivered:
		return "Delivered"
	case cancelling:
		return "Being cancelled"
	case order.Status.Provisioning != nil:
		return "Waiting for the mobile operator"
	default:
		return "Being processed"
	}
}

// ChangedAnnotation is when an order's spec was last changed over REST, as RFC 3339 has it: an
// object tells that it was, and not when.
const ChangedAnnotation = "esim.telco.dev/changed"

// updated is when an order last changed, as far as it tells: the latest time that is in it.
func updated(order *v1alpha1.EsimOrder) time.Time {
	latest := order.CreationTimestamp.Time
	later := func(t *metav1.Time) {
		if at := moment(t); at.After(latest) {
			latest = at
		}
	}
	if changed, err := time.Parse(time.RFC3339, order.Annotations[ChangedAnnotation]); err == nil {
		later(&metav1.Time{Time: changed})
	}
	status := &order.Status
	for i := range status.Conditions {
		later(&status.Conditions[i].LastTransitionTime)
	}
	if status.Charge != nil {
		later(&status.Charge.Time)
		if status.Charge.Refund != nil {
			later(&status.Charge.Refund.Time)
		}
	}
	if p := status.Provisioning; p != nil {
		later(&p.StartTime)
		if p.LastError != nil {
			later(&p.LastError.Time)
		}
		for i := range p.Attempts {
			later(&p.Attempts[i].EndTime)
		}
	}
	if life := status.Activation; life != nil {
		later(life.InstalledTime)
		later(life.RefreshedTime)
		if life.Status == v1alpha1.ActivationExpired {
			later(life.ExpiryTime)
		}
	}
	return latest.UTC()
}

// moment is a time in UTC; zero for none.
func moment(t *metav1.Time) time.Time {
	if t == nil || t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}
