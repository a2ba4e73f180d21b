package controllers

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
)

const (
	reasonDownloadFailed = "DownloadFailed"
	reasonDeleted        = "DeletedByUser"

	adviceDownloadFailed = "A device could not install the profile, and its activation code may be used up. " +
		"Let the customer try once more; if that fails too, cancel this order and make a new one"
	adviceDeleted = "The profile was deleted from its device and cannot be installed again with the same code. " +
		"It stays paid; if the customer needs another one, make a new order"
)

// changes is what a report changed in an order's life.
type changes struct {
	// events that webhooks tell of, in the order in which they happened.
	events []string
	// deleted, failed: what people should hear of.
	deleted, failed bool
}

// applyReports works what the operator reported into the order's life, and takes the reports
// off it. They may repeat and come in any order: what was installed once stays installed, the
// first of two times counts.
func (p *pass) applyReports() changes {
	var made changes
	for i := range p.order.Status.Reports {
		report := &p.order.Status.Reports[i]
		if report.ICCID != p.order.Status.Esim.ICCID {
			continue // about a profile that the order does not hold any more
		}
		switch report.Event {
		case v1alpha1.DeviceInstalled:
			made.add(p.installed(report.Time))
			p.unset(v1alpha1.ConditionDownloadFailed)
		case v1alpha1.DeviceUsed:
			made.add(p.installed(report.Time))
			p.used(report.Time)
			p.unset(v1alpha1.ConditionDownloadFailed)
		case v1alpha1.DeviceDeleted:
			made.add(p.installed(report.Time)) // it can have been nowhere else
			made.deleted = p.advise(v1alpha1.ConditionDeletedFromDevice, reasonDeleted, adviceDeleted) || made.deleted
		case v1alpha1.DeviceDownloadFailed:
			if !p.order.Status.Activation.Installed {
				made.failed = p.advise(v1alpha1.ConditionDownloadFailed, reasonDownloadFailed, failedMessage(report.Message)) || made.failed
			}
		}
	}
	p.order.Status.Reports = nil
	return made
}

// applyLife works what the operator answered into the order's life. What it does not know
// leaves what is known.
func (p *pass) applyLife(life operators.Life) changes {
	var made changes
	at := func(t time.Time) metav1.Time {
		if t.IsZero() {
			return p.time()
		}
		return metav1.NewTime(t)
	}
	if life.Installed || life.Deleted || !life.UsedTime.IsZero() {
		first := life.InstalledTime
		if first.IsZero() {
			first = life.UsedTime
		}
		made.add(p.installed(at(first)))
		p.unset(v1alpha1.ConditionDownloadFailed)
	}
	if !life.UsedTime.IsZero() {
		p.used(metav1.NewTime(life.UsedTime))
	}
	if !life.ExpiryTime.IsZero() && p.order.Status.Activation.Installed && p.order.Status.Activation.Status != v1alpha1.ActivationExpired {
		p.order.Status.Activation.ExpiryTime = rounded(life.ExpiryTime)
	}
	if life.Deleted {
		made.deleted = p.advise(v1alpha1.ConditionDeletedFromDevice, reasonDeleted, adviceDeleted)
	}
	return made
}

// join adds what changed after.
func (c *changes) join(after changes) {
	c.add(after.events)
	c.deleted, c.failed = c.deleted || after.deleted, c.failed || after.failed
}

func (c *changes) add(events []string) { c.events = append(c.events, events...) }

// possible is a time that an operator told, but for what a wrong clock there would do: nothing
// happened to a profile before its order was delivered. A plan must not end before it began.
func (p *pass) possible(at metav1.Time) metav1.Time {
	if delivered := deliveredTime(p.order); p.order.Status.Phase == v1alpha1.PhaseDelivered && at.Time.Before(delivered) {
		return metav1.NewTime(delivered)
	}
	return at
}

// installed records that the profile is on a device, and from when its plan counts as long as
// nothing better is known.
func (p *pass) installed(at metav1.Time) []string {
	at = p.possible(at)
	life := p.order.Status.Activation
	var events []string
	if !life.Installed {
		events = append(events, v1alpha1.EventInstalled)
	}
	if life.Status == v1alpha1.ActivationNotInstalled {
		life.Status = v1alpha1.ActivationActive
	}
	life.Installed = true
	if life.InstalledTime == nil {
		life.InstalledTime = rounded(at.Time)
	}
	if life.ActivatedTime == nil {
		life.ActivatedTime = life.InstalledTime
		p.setExpiry(life)
		events = append(events, v1alpha1.EventActivated)
	}
	return events
}

// used records the first use. An operator that tells it twice, or late, told the earlier one
// right.
func (p *pass) used(at metav1.Time) {
	at = p.possible(at)
	life := p.order.Status.Activation
	if life.Status == v1alpha1.ActivationExpired || life.Used && !at.Before(life.ActivatedTime) {
		return
	}
	life.Used, life.ActivatedTime = true, rounded(at.Time)
	p.setExpiry(life)
}

// setExpiry says when the plan ends: validityDays after activation.
func (p *pass) setExpiry(life *v1alpha1.OrderActivation) {
	if plan := p.order.Status.Plan; plan != nil && plan.ValidityDays > 0 {
		life.ExpiryTime = rounded(life.ActivatedTime.Add(time.Duration(plan.ValidityDays) * 24 * time.Hour))
	}
}

// expire ends a plan whose time is over.
func (p *pass) expire() []string {
	life := p.order.Status.Activation
	if life.Status != v1alpha1.ActivationActive || life.ExpiryTime == nil || p.now.Before(life.ExpiryTime.Time) {
		return nil
	}
	life.Status = v1alpha1.ActivationExpired
	return []string{v1alpha1.EventExpired}
}

// advise sets a condition that only advises, and tells whether that is news.
func (p *pass) advise(condition, reason, message string) bool {
	known := meta.IsStatusConditionTrue(p.order.Status.Conditions, condition)
	p.set(condition, metav1.ConditionTrue, reason, message)
	return !known
}

func (p *pass) unset(condition string) {
	meta.RemoveStatusCondition((*[]metav1.Condition)(&p.order.Status.Conditions), condition)
}

func failedMessage(code string) string {
	if code == "" {
		return adviceDownloadFailed
	}
	return adviceDownloadFailed + " (the device's answer: " + code + ")"
}

// rounded is a time as a status holds it, to the second, so that what is decided now and what
// is read back later are one.
func rounded(t time.Time) *metav1.Time {
	at := metav1.NewTime(t.UTC().Truncate(time.Second))
	return &at
}
