package doctor

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/plugin/refusal"
)

const (
	// managerAccount is the ServiceAccount of `manager controllers`, which policies know by name.
	managerAccount = "esim-operator-controllers"
	// leaseName is leaderElection.leaseName.
	leaseName = "esim-operator-controllers"
	// part tells our Deployments from others, component one from another.
	part, partName = "app.kubernetes.io/name", "esim-operator"
	component      = "app.kubernetes.io/component"
)

// checkManager looks whether somebody leads, and whether each Deployment has Pods that are ready.
func checkManager(ctx context.Context, i *Installation) []Finding {
	return append([]Finding{i.leader(ctx)}, i.deployments(ctx)...)
}

func (i *Installation) leader(ctx context.Context) Finding {
	const object = "leader"
	var lease coordinationv1.Lease
	err := i.Client.Get(ctx, client.ObjectKey{Namespace: i.Namespace, Name: leaseName}, &lease)
	if absent(err) {
		return fail(object, fmt.Sprintf("there is no Lease %s in namespace %s: no manager ever ran there", leaseName, i.Namespace),
			"install the manager: kubectl apply -k config/default; if it is elsewhere, name its namespace with --manager-namespace")
	}
	if err != nil {
		return unread(err, object, refusal.Call{
			Verb: "get", Group: coordinationv1.GroupName, Resource: "leases", Namespace: i.Namespace, Name: leaseName,
		})
	}
	server, err := i.Server(ctx)
	if err != nil {
		return unread(err, object, refusal.Call{Verb: "get", Resource: "/version"})
	}
	return ofLease(object, &lease, server.Time)
}

// ofLease tells whether somebody leads, by the API server's clock.
func ofLease(object string, lease *coordinationv1.Lease, now time.Time) Finding {
	held := lease.Spec.HolderIdentity
	if held == nil || *held == "" || lease.Spec.RenewTime == nil || lease.Spec.LeaseDurationSeconds == nil {
		return fail(object, "no manager leads: nothing is bought", "see why no manager runs: kubectl -n "+lease.Namespace+" get pods")
	}
	renewed, lasts := lease.Spec.RenewTime.Time, time.Duration(*lease.Spec.LeaseDurationSeconds)*time.Second
	switch since := now.Sub(renewed); {
	case since > lasts+clockWarn:
		return fail(object, fmt.Sprintf("the manager that led, %s, has not renewed its lease for %s: nothing is bought", *held, since.Round(time.Second)),
			"see why it does not run: kubectl -n "+lease.Namespace+" get pods; if it does, its clock is wrong")
	case -since > clockWarn:
		return fail(object, fmt.Sprintf("the clock of the manager that leads, %s, is %s ahead of the API server's", *held, (-since).Round(time.Second)),
			"have its node follow NTP: charges, deadlines and expiry go by its clock")
	}
	return ok(object, *held+" leads")
}

func (i *Installation) deployments(ctx context.Context) []Finding {
	var list appsv1.DeploymentList
	if err := i.Client.List(ctx, &list, client.InNamespace(i.Namespace)); err != nil {
		return []Finding{unread(err, "Deployments", refusal.Call{
			Verb: "list", Group: appsv1.GroupName, Resource: "deployments", Namespace: i.Namespace,
		})}
	}
	var findings []Finding
	for at := range list.Items {
		if deployment := &list.Items[at]; deployment.Spec.Template.Labels[part] == partName {
			findings = append(findings, ofDeployment(deployment))
		}
	}
	return findings
}

func ofDeployment(d *appsv1.Deployment) Finding {
	object, wanted := "Deployment "+d.Name, int32(1)
	if d.Spec.Replicas != nil {
		wanted = *d.Spec.Replicas
	}
	ready, remedy := d.Status.ReadyReplicas, fmt.Sprintf("see why: kubectl -n %s describe deployment %s", d.Namespace, d.Name)
	message := fmt.Sprintf("%d of %d Pods are ready", ready, wanted)
	switch {
	case ready == 0:
		return fail(object, message, remedy)
	case ready < wanted:
		return warn(object, message, remedy)
	}
	return ok(object, message)
}
