package rights

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/telcodev/esim-operator/internal/testenv"
)

const group = "esim.telco.dev"

func TestWhatNobodyUsesIsSurplus(t *testing.T) {
	get := testenv.AuditEvent{Group: group, Resource: "esimorders", Namespace: "acme", Name: "trip", Verb: "get", Code: http.StatusOK}
	apply := testenv.AuditEvent{Group: group, Resource: "esimproducts", Name: "japan", Verb: "patch", Code: http.StatusCreated}
	applyAgain := apply
	applyAgain.Code = http.StatusOK
	status := get
	status.Subresource, status.Verb = "status", "update"
	atHome := get
	atHome.Namespace = "home"
	orders := right{Group: group, Resource: "esimorders", Verb: "get"}
	products := func(verb string) right { return right{Group: group, Resource: "esimproducts", Verb: verb} }
	for _, tt := range []struct {
		name   string
		rights []right
		asked  []testenv.AuditEvent
		want   []string
	}{
		{"used", []right{orders}, []testenv.AuditEvent{get}, nil},
		{"unused", []right{orders}, nil, []string{"nothing took the right to get esimorders.esim.telco.dev in all namespaces"}},
		{"another verb", []right{{Group: group, Resource: "esimorders", Verb: "list"}}, []testenv.AuditEvent{get},
			[]string{"nothing took the right to list esimorders.esim.telco.dev in all namespaces"}},
		{"another group", []right{{Resource: "esimorders", Verb: "get"}}, []testenv.AuditEvent{get}, []string{"nothing took the right to get esimorders in all namespaces"}},
		{"a subresource is another resource", []right{{Group: group, Resource: "esimorders", Verb: "update"}}, []testenv.AuditEvent{status},
			[]string{"nothing took the right to update esimorders.esim.telco.dev in all namespaces"}},
		{"subresource", []right{{Group: group, Resource: "esimorders/status", Verb: "update"}}, []testenv.AuditEvent{status}, nil},
		{"another name", []right{{Group: group, Resource: "esimorders", Name: "other", Verb: "get"}}, []testenv.AuditEvent{get},
			[]string{"nothing took the right to get esimorders.esim.telco.dev other in all namespaces"}},
		{"another namespace", []right{{Namespace: "home", Group: group, Resource: "esimorders", Verb: "get"}}, []testenv.AuditEvent{get},
			[]string{"nothing took the right to get esimorders.esim.telco.dev in home"}},
		{"given twice", []right{orders, {Namespace: "acme", Group: group, Resource: "esimorders", Verb: "get"}}, []testenv.AuditEvent{get},
			[]string{"nothing took the right to get esimorders.esim.telco.dev in acme"}},
		{"wider than needed", []right{orders}, []testenv.AuditEvent{atHome},
			[]string{"a Role in home is enough for the right to get esimorders.esim.telco.dev in all namespaces"}},
		{"used at home and elsewhere", []right{orders}, []testenv.AuditEvent{atHome, get}, nil},
		{"an apply that creates", []right{products("create"), products("patch")}, []testenv.AuditEvent{apply}, nil},
		{"an apply that changes", []right{products("create"), products("patch")}, []testenv.AuditEvent{applyAgain},
			[]string{"nothing took the right to create esimproducts.esim.telco.dev in all namespaces"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, surplus(tt.rights, tt.asked, "home")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRulesAreWrittenOut(t *testing.T) {
	got, err := expand("home", rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"secrets", "configmaps"}, ResourceNames: []string{"one"}, Verbs: []string{"get", "list"},
	})
	want := []right{
		{"home", "", "secrets", "one", "get"}, {"home", "", "secrets", "one", "list"},
		{"home", "", "configmaps", "one", "get"}, {"home", "", "configmaps", "one", "list"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for _, rule := range []rbacv1.PolicyRule{
		{APIGroups: []string{"*"}, Resources: []string{"secrets"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"*"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"*"}},
		{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}},
	} {
		if _, err := expand("", rule); !errors.Is(err, errUnbounded) {
			t.Errorf("%v: %v", rule, err)
		}
	}
}

func TestARefusalIsTold(t *testing.T) {
	asked := []testenv.AuditEvent{
		{Verb: "get", URI: "/api/v1/secrets", Code: http.StatusForbidden}, {Verb: "get", URI: "/api/v1/secrets", Code: http.StatusForbidden},
		{Verb: "get", URI: "/api/v1/configmaps", Code: http.StatusNotFound},
	}
	if diff := cmp.Diff([]string{"get /api/v1/secrets"}, refused(asked)); diff != "" {
		t.Error(diff)
	}
}
