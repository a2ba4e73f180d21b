package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/telcodev/esim-operator/internal/plugin/refusal"
)

// right is what the manager needs.
type right struct {
	group, resource, verbs string
	// own is for the manager's own namespace alone; others are for all.
	own bool
	// name of the one object that it is about; empty for all.
	name string
}

const group = "esim.telco.dev"

// managerRights are those of config/rbac; a test compares.
var managerRights = []right{
	{resource: "namespaces", verbs: "get"},
	{resource: "secrets", verbs: "create delete get update"},
	{group: "authentication.k8s.io", resource: "tokenreviews", verbs: "create"},
	{group: "authorization.k8s.io", resource: "subjectaccessreviews", verbs: "create"},
	{group: group, resource: "esimclients", verbs: "get list watch"},
	{group: group, resource: "esimclients/status", verbs: "update"},
	{group: group, resource: "esimoperators/status", verbs: "update"},
	{group: group, resource: "esimorders/status", verbs: "update"},
	{group: group, resource: "esimproducts/status", verbs: "update"},
	{group: group, resource: "esimwallets/status", verbs: "update"},
	{group: group, resource: "esimoperators", verbs: "get list patch watch"},
	{group: group, resource: "esimorders", verbs: "get list patch watch"},
	{group: group, resource: "esimwallets", verbs: "get list patch watch"},
	{group: group, resource: "esimproducts", verbs: "create get list patch watch"},
	{group: "events.k8s.io", resource: "events", verbs: "create"},
	{group: "coordination.k8s.io", resource: "leases", verbs: "create list", own: true},
	{group: "coordination.k8s.io", resource: "leases", verbs: "get update", own: true, name: leaseName},
	{resource: "secrets", verbs: "list watch", own: true},
	{resource: "configmaps", verbs: "get", own: true},
}

// shardRights are those of config/shards beside them; a test compares.
var shardRights = []right{
	{resource: "namespaces", verbs: "get list watch"},
	{group: "coordination.k8s.io", resource: "leases", verbs: "create delete get list update", own: true},
}

// rightsNeeded are those of one manager, and of managers that share clients where there are such.
func (i *Installation) rightsNeeded(ctx context.Context) []right {
	leads, _ := i.leads(ctx) // that they cannot be listed is told by another check
	if slices.ContainsFunc(leads, func(l coordinationv1.Lease) bool { return l.Labels[worksIn] == worksInSelected }) {
		return slices.Concat(managerRights, shardRights)
	}
	return managerRights
}

// checkRights asks the API server whether the manager may do what it has to.
func checkRights(ctx context.Context, i *Installation) []Finding {
	who := fmt.Sprintf("system:serviceaccount:%s:%s", i.Namespace, managerAccount)
	object := "ServiceAccount " + i.Namespace + "/" + managerAccount
	var missing []string
	for _, needed := range i.rightsNeeded(ctx) {
		for verb := range strings.FieldsSeq(needed.verbs) {
			allowed, err := i.mayManager(ctx, who, needed, verb)
			if err != nil {
				return []Finding{unread(err, object, refusal.Call{
					Verb: "create", Group: authorizationv1.GroupName, Resource: "subjectaccessreviews",
				})}
			}
			if !allowed {
				missing = append(missing, strings.TrimSuffix(verb+" "+needed.resource+"."+needed.group, "."))
			}
		}
	}
	if len(missing) > 0 {
		return []Finding{fail(object, "the manager lacks the right to "+strings.Join(missing, ", "),
			"install the roles of the manager's release: kubectl apply -k config/rbac, and -k config/shards where managers share clients")}
	}
	return []Finding{ok(object, "the manager has every right that it needs")}
}

func (i *Installation) mayManager(ctx context.Context, who string, needed right, verb string) (bool, error) {
	resource, subresource, _ := strings.Cut(needed.resource, "/")
	review := authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   who,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + i.Namespace, "system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: verb, Group: needed.group, Resource: resource, Subresource: subresource, Name: needed.name,
		},
	}}
	if needed.own {
		review.Spec.ResourceAttributes.Namespace = i.Namespace
	}
	if err := i.Client.Create(ctx, &review); err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}
