package doctor

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/plugin/refusal"
)

const (
	// leaseName is leaderElection.leaseName of a manager that works in all namespaces.
	leaseName = "esim-operator-controllers"
	// worksIn is the label by which a lease tells that managers choose their leader by it, and in
	// which namespaces they work: all, or selected. A test compares.
	worksIn, worksInSelected = "esim.telco.dev/works-in", "selected"
)

const leader = "leader"

// leads are the leases by which managers choose who works: one, or one for each shard.
func (i *Installation) leads(ctx context.Context) ([]coordinationv1.Lease, *Finding) {
	var list coordinationv1.LeaseList
	if err := i.Client.List(ctx, &list, client.InNamespace(i.Namespace)); err != nil {
		f := unread(err, leader, refusal.Call{Verb: "list", Group: coordinationv1.GroupName, Resource: "leases", Namespace: i.Namespace})
		return nil, &f
	}
	var leads []coordinationv1.Lease
	for at := range list.Items {
		if lease := &list.Items[at]; lease.Name == leaseName || lease.Labels[worksIn] != "" {
			leads = append(leads, *lease)
		}
	}
	return leads, nil
}

// leaders tells whether somebody leads, of each shard where clients are divided.
func (i *Installation) leaders(ctx context.Context) []Finding {
	leads, unread := i.leads(ctx)
	if unread != nil {
		return []Finding{*unread}
	}
	if len(leads) == 0 {
		return []Finding{fail(leader, fmt.Sprintf("there is no Lease %s in namespace %s: no manager ever ran there", leaseName, i.Namespace),
			"install the manager: kubectl apply -k config/default; if it is elsewhere, name its namespace with --manager-namespace")}
	}
	now, unread := i.serverTime(ctx)
	if unread != nil {
		return []Finding{*unread}
	}
	var findings []Finding
	for at := range leads {
		findings = append(findings, ofLease(&leads[at], len(leads) > 1, now))
	}
	return findings
}

func (i *Installation) serverTime(ctx context.Context) (time.Time, *Finding) {
	server, err := i.Server(ctx)
	if err != nil {
		f := unread(err, leader, refusal.Call{Verb: "get", Resource: "/version"})
		return time.Time{}, &f
	}
	return server.Time, nil
}

// ofLease tells whether somebody leads by a lease, by the API server's clock. Of several one may be
// left over: that of a shard that is no more, or of the time before there were shards.
func ofLease(lease *coordinationv1.Lease, oneOfSeveral bool, now time.Time) Finding {
	object, waits, remedy := leader, "nothing is bought", "see why no manager runs: kubectl -n "+lease.Namespace+" get pods"
	if oneOfSeveral {
		object, waits = "leader by "+lease.Name, "clients wait that no other shard has"
		remedy = fmt.Sprintf("see why its manager does not run; if it is not wanted any more: kubectl -n %s delete lease %s", lease.Namespace, lease.Name)
	}
	held := lease.Spec.HolderIdentity
	if held == nil || *held == "" || lease.Spec.RenewTime == nil || lease.Spec.LeaseDurationSeconds == nil {
		if oneOfSeveral {
			return warn(object, "no manager leads: "+waits, remedy)
		}
		return fail(object, "no manager leads: "+waits, remedy)
	}
	renewed, lasts := lease.Spec.RenewTime.Time, time.Duration(*lease.Spec.LeaseDurationSeconds)*time.Second
	switch since := now.Sub(renewed); {
	case since > lasts+clockWarn:
		return fail(object, fmt.Sprintf("the manager that led, %s, has not renewed its lease for %s: %s", *held, since.Round(time.Second), waits),
			remedy+"; if it runs, its clock is wrong")
	case -since > clockWarn:
		return fail(object, fmt.Sprintf("the clock of the manager that leads, %s, is %s ahead of the API server's", *held, (-since).Round(time.Second)),
			"have its node follow NTP: charges, deadlines and expiry go by its clock")
	}
	return ok(object, *held+" leads")
}
