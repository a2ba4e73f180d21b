package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/manifests"
)

var noon = time.Date(2036, 5, 3, 12, 0, 0, 0, time.UTC)

// installation of these objects, whose manager may do everything but denied.
func installation(t *testing.T, denied string, objects ...client.Object) *Installation {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	phase := func(o client.Object) []string {
		order, ok := o.(*v1alpha1.EsimOrder)
		if !ok {
			return nil
		}
		return []string{string(order.Status.Phase)}
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithIndex(&v1alpha1.EsimOrder{}, "status.phase", phase).
		WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
				review, ok := o.(*authorizationv1.SubjectAccessReview)
				if !ok {
					return c.Create(ctx, o, options...)
				}
				asked := review.Spec.ResourceAttributes
				review.Status.Allowed = asked.Verb+" "+asked.Resource != denied
				return nil
			},
		}).Build()
	return &Installation{
		Client: c, Namespace: "esim-system", Now: func() time.Time { return noon },
		Server: func(context.Context) (Server, error) { return Server{Major: "1", Minor: "37", Time: noon}, nil },
		Mail:   func(context.Context, MailServer) (bool, error) { return true, nil },
	}
}

// worst is the worst level of findings, and what those of it say.
func worst(findings []Finding) (Level, string) {
	level := OK
	for _, finding := range findings {
		if finding.Level == Fail || level == OK {
			level = finding.Level
		}
	}
	var said []string
	for _, finding := range findings {
		if finding.Level == level {
			said = append(said, finding.Object+": "+finding.Message)
		}
	}
	return level, strings.Join(said, "\n")
}

// expectation is of one check.
type expectation struct {
	check   func(context.Context, *Installation) []Finding
	denied  string
	objects []client.Object
	change  func(*Installation)
	level   Level
	says    string
}

func (e expectation) hold(t *testing.T) {
	t.Helper()
	i := installation(t, e.denied, e.objects...)
	if e.change != nil {
		e.change(i)
	}
	findings := e.check(t.Context(), i)
	level, said := worst(findings)
	if level != e.level || !strings.Contains(said, e.says) {
		t.Errorf("%s: %s\nwant %s: %s", level, said, e.level, e.says)
	}
	for _, finding := range findings {
		if (finding.Remedy == "") != (finding.Level == OK) {
			t.Errorf("a finding that is %s has the remedy %q", finding.Level, finding.Remedy)
		}
	}
}

func TestServerAndClocks(t *testing.T) {
	answers := func(server Server, err error) func(*Installation) {
		return func(i *Installation) {
			i.Server = func(context.Context) (Server, error) { return server, err }
		}
	}
	for name, e := range map[string]expectation{
		"well":             {level: OK},
		"no answer":        {change: answers(Server{}, errors.New("no route")), level: Fail, says: "no route"},
		"too old":          {change: answers(Server{"1", "35+", noon}, nil), level: Fail, says: "Kubernetes 1.35+ is too old"},
		"unknown":          {change: answers(Server{"2", "0", noon}, nil), level: Warn, says: "does not know"},
		"clock is ahead":   {change: answers(Server{"1", "37", noon.Add(2 * time.Minute)}, nil), level: Fail, says: "2m0s apart"},
		"clock is behind":  {change: answers(Server{"1", "37", noon.Add(-11 * time.Second)}, nil), level: Warn, says: "10s apart"},
		"within a second":  {change: answers(Server{"1", "37", noon.Add(-time.Second)}, nil), level: OK},
		"a little further": {change: answers(Server{"1", "37", noon.Add(4 * time.Second)}, nil), level: OK},
	} {
		t.Run(name, func(t *testing.T) {
			e.check = checkServer
			e.hold(t)
		})
	}
}

func crd(kind string, change func(*apiextensionsv1.CustomResourceDefinition)) *apiextensionsv1.CustomResourceDefinition {
	c := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: kind + ".esim.telco.dev"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
			Name: "v1alpha1", Served: true,
			Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
		}}},
		Status: apiextensionsv1.CustomResourceDefinitionStatus{Conditions: []apiextensionsv1.CustomResourceDefinitionCondition{
			{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue},
		}},
	}
	if change != nil {
		change(c)
	}
	return c
}

func TestCRDs(t *testing.T) {
	// with has all CRDs, the last of them changed; without it where change is nil.
	with := func(change func(*apiextensionsv1.CustomResourceDefinition)) []client.Object {
		var objects []client.Object
		for i, kind := range kinds {
			if i < len(kinds)-1 {
				objects = append(objects, crd(kind, nil))
			} else if change != nil {
				objects = append(objects, crd(kind, change))
			}
		}
		return objects
	}
	for name, e := range map[string]expectation{
		"well":    {objects: with(func(*apiextensionsv1.CustomResourceDefinition) {}), level: OK},
		"missing": {objects: with(nil), level: Fail, says: "esimwallets.esim.telco.dev: it is not installed"},
		"not served": {objects: with(func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.Versions[0].Served = false }),
			level: Fail, says: "does not serve v1alpha1"},
		"without a status": {objects: with(func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.Versions[0].Subresources = nil }),
			level: Fail, says: "no status of its own"},
		"names taken": {objects: with(func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{{Status: apiextensionsv1.ConditionFalse, Message: "taken"}}
		}), level: Fail, says: "does not serve it yet: taken"},
		"being deleted": {objects: with(func(c *apiextensionsv1.CustomResourceDefinition) {
			c.DeletionTimestamp, c.Finalizers = &metav1.Time{Time: noon}, []string{"customresourcecleanup.apiextensions.k8s.io"}
		}), level: Fail, says: "being deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			e.check = checkCRDs
			e.hold(t)
		})
	}
}

// objectsOf reads manifests of config/.
func objectsOf(t *testing.T, files ...string) []client.Object {
	t.Helper()
	var objects []client.Object
	for _, pattern := range files {
		paths, err := filepath.Glob(filepath.Join("..", "..", "..", "config", pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no manifests match %s: %v", pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			read, err := manifests.Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range read {
				if object.GetKind() != "Kustomization" {
					objects = append(objects, object)
				}
			}
		}
	}
	return objects
}

func TestEveryPolicyIsLookedFor(t *testing.T) {
	var validating, mutating []string
	for _, object := range objectsOf(t, "admission/*.yaml") {
		switch object.GetObjectKind().GroupVersionKind().Kind {
		case "ValidatingAdmissionPolicy":
			validating = append(validating, object.GetName())
		case "MutatingAdmissionPolicy":
			mutating = append(mutating, object.GetName())
		}
	}
	slices.Sort(validating)
	looked := slices.Sorted(slices.Values(validatingPolicies))
	if diff := cmp.Diff(validating, looked); diff != "" {
		t.Errorf("config/admission has other validating policies (-config +looked for):\n%s", diff)
	}
	if diff := cmp.Diff(mutating, mutatingPolicies); diff != "" {
		t.Errorf("config/admission has other mutating policies (-config +looked for):\n%s", diff)
	}
}

func TestPolicies(t *testing.T) {
	// without has what config/admission has, but for one object, or with one changed.
	without := func(kind, name string, change func(map[string]any)) []client.Object {
		var kept []client.Object
		for _, object := range objectsOf(t, "admission/*.yaml") {
			if object.GetObjectKind().GroupVersionKind().Kind == kind && object.GetName() == name {
				if change == nil {
					continue
				}
				change(content(t, object))
			}
			kept = append(kept, object)
		}
		return kept
	}
	const status, adding = "orders-status.esim.telco.dev", "orders-add-settlement-finalizer.esim.telco.dev"
	for name, e := range map[string]expectation{
		"well":             {objects: without("", "", nil), level: OK},
		"missing":          {objects: without("ValidatingAdmissionPolicy", status, nil), level: Fail, says: status + ": it is not installed"},
		"unbound":          {objects: without("ValidatingAdmissionPolicyBinding", status, nil), level: Fail, says: status + ": it has no binding"},
		"mutating missing": {objects: without("MutatingAdmissionPolicy", adding, nil), level: Warn, says: "costs the manager a write more"},
		"only warns": {objects: without("ValidatingAdmissionPolicyBinding", status, func(o map[string]any) {
			o["validationActions"] = []any{"Warn"}
		}), level: Fail, says: "does not deny"},
		"ignored on failure": {objects: without("ValidatingAdmissionPolicy", status, func(o map[string]any) { o["failurePolicy"] = "Ignore" }),
			level: Fail, says: "failurePolicy is Ignore"},
		"for some objects only": {objects: without("ValidatingAdmissionPolicyBinding", status, func(o map[string]any) {
			o["matchResources"] = map[string]any{}
		}), level: Warn, says: "some objects only"},
	} {
		t.Run(name, func(t *testing.T) {
			e.check = checkPolicies
			e.hold(t)
		})
	}
}

// content is the spec of an object that was read from a manifest.
func content(t *testing.T, object client.Object) map[string]any {
	t.Helper()
	read, ok := object.(interface{ UnstructuredContent() map[string]any })
	if !ok {
		t.Fatalf("%T is not what manifests are read as", object)
	}
	spec, ok := read.UnstructuredContent()["spec"].(map[string]any)
	if !ok {
		t.Fatalf("%s has no spec", object.GetName())
	}
	return spec
}

func TestRights(t *testing.T) {
	expectation{check: checkRights, level: OK, says: "every right"}.hold(t)
	expectation{check: checkRights, denied: "patch esimorders", level: Fail, says: "lacks the right to patch esimorders.esim.telco.dev"}.hold(t)
	expectation{check: checkRights, denied: "get configmaps", level: Fail, says: "lacks the right to get configmaps"}.hold(t)
	expectation{check: checkRights, denied: "watch namespaces", level: OK}.hold(t)
	sharing := []client.Object{shardLease("a", "1", noon)}
	expectation{check: checkRights, denied: "watch namespaces", objects: sharing, level: Fail, says: "lacks the right to watch namespaces"}.hold(t)
}

func TestEveryRightOfTheManagerIsAskedFor(t *testing.T) {
	compareRights(t, managerRights, "rbac/role.yaml", "rbac/leader_election.yaml", "rbac/operator_credentials.yaml")
	compareRights(t, shardRights, "shards/leases.yaml", "shards/namespaces.yaml")
}

// compareRights holds what is asked for against the roles of config/.
func compareRights(t *testing.T, needed []right, files ...string) {
	t.Helper()
	configured := map[string]bool{}
	for _, object := range objectsOf(t, files...) {
		kind := object.GetObjectKind().GroupVersionKind().Kind
		if kind != "Role" && kind != "ClusterRole" {
			continue
		}
		var role rbacv1.Role
		text, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, &role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						configured[strings.Join([]string{kind, group, resource, verb, strings.Join(rule.ResourceNames, "")}, " ")] = true
					}
				}
			}
		}
	}
	asked := map[string]bool{}
	for _, one := range needed {
		kind := "ClusterRole"
		if one.own {
			kind = "Role"
		}
		for verb := range strings.FieldsSeq(one.verbs) {
			asked[strings.Join([]string{kind, one.group, one.resource, verb, one.name}, " ")] = true
		}
	}
	if diff := cmp.Diff(configured, asked); diff != "" {
		t.Errorf("config/ gives other rights than are asked for (-config +asked):\n%s", diff)
	}
}
