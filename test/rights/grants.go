package rights

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/testenv"
)

// right is one verb on one resource, as a role gives it.
type right struct {
	// Namespace that it is limited to; empty for all.
	Namespace string
	Group     string
	// Resource with its subresource, such as esimorders/status.
	Resource string
	// Name of the only object that it is for; empty for all.
	Name string
	Verb string
}

// String is the right as a person would say it.
func (r right) String() string {
	said := r.Verb + " " + strings.TrimSuffix(r.Resource+"."+r.Group, ".")
	if r.Name != "" {
		said += " " + r.Name
	}
	return said + " in " + cmp.Or(r.Namespace, "all namespaces")
}

// permits tells whether the right is enough for a request.
func (r right) permits(asked testenv.AuditEvent) bool {
	resource := asked.Resource
	if asked.Subresource != "" {
		resource += "/" + asked.Subresource
	}
	return slices.Contains(verbsOf(asked), r.Verb) && r.Group == asked.Group && r.Resource == resource &&
		(r.Namespace == "" || r.Namespace == asked.Namespace) && (r.Name == "" || r.Name == asked.Name)
}

// verbsOf are the verbs that a request took. An apply that makes the object takes two: the API
// server asks for create too, which its log does not tell.
func verbsOf(asked testenv.AuditEvent) []string {
	if asked.Verb == "patch" && asked.Code == http.StatusCreated {
		return []string{"patch", "create"}
	}
	return []string{asked.Verb}
}

// granted are the rights that roles give to a ServiceAccount by its name, sorted.
func granted(ctx context.Context, reader client.Reader, namespace, account string) ([]right, error) {
	var everywhere rbacv1.ClusterRoleBindingList
	var somewhere rbacv1.RoleBindingList
	for _, list := range []client.ObjectList{&everywhere, &somewhere} {
		if err := reader.List(ctx, list); err != nil {
			return nil, fmt.Errorf("listing bindings: %w", err)
		}
	}
	bindings := somewhere.Items
	for _, b := range everywhere.Items {
		bindings = append(bindings, rbacv1.RoleBinding{Subjects: b.Subjects, RoleRef: b.RoleRef})
	}
	var rights []right
	for _, binding := range bindings {
		names := func(s rbacv1.Subject) bool {
			return s.Kind == rbacv1.ServiceAccountKind && s.Namespace == namespace && s.Name == account
		}
		if !slices.ContainsFunc(binding.Subjects, names) {
			continue
		}
		rules, err := rulesOf(ctx, reader, binding)
		if err != nil {
			return nil, err
		}
		for _, rule := range rules {
			expanded, err := expand(binding.Namespace, rule)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", binding.RoleRef.Kind, binding.RoleRef.Name, err)
			}
			rights = append(rights, expanded...)
		}
	}
	slices.SortFunc(rights, func(a, b right) int { return strings.Compare(a.String(), b.String()) })
	return rights, nil
}

func rulesOf(ctx context.Context, reader client.Reader, binding rbacv1.RoleBinding) ([]rbacv1.PolicyRule, error) {
	var clusterRole rbacv1.ClusterRole
	var role rbacv1.Role
	key := client.ObjectKey{Name: binding.RoleRef.Name}
	var object client.Object = &clusterRole
	if binding.RoleRef.Kind == "Role" {
		object, key.Namespace = &role, binding.Namespace
	}
	if err := reader.Get(ctx, key, object); err != nil {
		return nil, fmt.Errorf("reading the %s %s: %w", binding.RoleRef.Kind, binding.RoleRef.Name, err)
	}
	return slices.Concat(clusterRole.Rules, role.Rules), nil
}

// errUnbounded: a role that gives more than can be counted.
var errUnbounded = errors.New("a rule has a wildcard, or is about URLs: name what is needed")

// expand writes a rule out, one right a line.
func expand(namespace string, rule rbacv1.PolicyRule) (rights []right, err error) {
	everything := slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs)
	if slices.Contains(everything, "*") || len(rule.NonResourceURLs) > 0 {
		return nil, errUnbounded
	}
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, name := range names {
				for _, verb := range rule.Verbs {
					rights = append(rights, right{namespace, group, resource, name, verb})
				}
			}
		}
	}
	return rights, nil
}

// surplus are complaints about rights that no request took, and about rights in all namespaces
// that were taken in one alone. Of several rights that permit a request, the widest counts: what
// is given twice is given once too often.
func surplus(rights []right, asked []testenv.AuditEvent, home string) []string {
	took := make([]map[string]bool, len(rights))
	for _, request := range asked {
		for _, verb := range verbsOf(request) {
			if i := widest(rights, request, verb); i >= 0 {
				if took[i] == nil {
					took[i] = map[string]bool{}
				}
				took[i][request.Namespace] = true
			}
		}
	}
	var complaints []string
	for i, r := range rights {
		switch {
		case took[i] == nil:
			complaints = append(complaints, "nothing took the right to "+r.String())
		case r.Namespace == "" && len(took[i]) == 1 && took[i][home]:
			complaints = append(complaints, "a Role in "+home+" is enough for the right to "+r.String())
		}
	}
	return complaints
}

// widest is the index of the right with the fewest limits that permits a request; -1 for none.
func widest(rights []right, request testenv.AuditEvent, verb string) int {
	found, limits := -1, 0
	for i, r := range rights {
		if r.Verb != verb || !r.permits(request) {
			continue
		}
		n := 0
		if r.Namespace != "" {
			n += 2
		}
		if r.Name != "" {
			n++
		}
		if found < 0 || n < limits {
			found, limits = i, n
		}
	}
	return found
}

// refused are the requests that were answered 403, each once.
func refused(asked []testenv.AuditEvent) []string {
	var all []string
	for _, request := range asked {
		if request.Code == http.StatusForbidden {
			all = append(all, request.Verb+" "+request.URI)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
