package doctor

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/plugin/refusal"
)

const (
	// managerAccount is the ServiceAccount of `manager controllers`, which policies know by name.
	managerAccount = "esim-operator-controllers"
	// part tells our Deployments from others, component one from another.
	part, partName = "app.kubernetes.io/name", "esim-operator"
	component      = "app.kubernetes.io/component"
)

// checkManager looks whether somebody leads, and whether each Deployment has Pods that are ready.
func checkManager(ctx context.Context, i *Installation) []Finding {
	return append(i.leaders(ctx), i.deployments(ctx)...)
}

func (i *Installation) deployments(ctx context.Context) []Finding {
	list, unread := i.ours(ctx, "Deployments")
	if unread != nil {
		return []Finding{*unread}
	}
	var findings []Finding
	for at := range list {
		findings = append(findings, ofDeployment(&list[at]))
	}
	return findings
}

// ours are the Deployments of the installation, of which object needs to know.
func (i *Installation) ours(ctx context.Context, object string) ([]appsv1.Deployment, *Finding) {
	var list appsv1.DeploymentList
	if err := i.Client.List(ctx, &list, client.InNamespace(i.Namespace)); err != nil {
		f := unread(err, object, refusal.Call{Verb: "list", Group: appsv1.GroupName, Resource: "deployments", Namespace: i.Namespace})
		return nil, &f
	}
	return slices.DeleteFunc(list.Items, func(d appsv1.Deployment) bool { return d.Spec.Template.Labels[part] != partName }), nil
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
