package refusal

import (
	"context"
	"errors"
	"net"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestExplain(t *testing.T) {
	resource := schema.GroupResource{Group: "esim.telco.dev", Resource: "esimorders"}
	kind := schema.GroupKind{Group: "esim.telco.dev", Kind: "EsimOrder"}
	call := Call{
		Did: "place the order", Verb: "create", Group: "esim.telco.dev", Resource: "esimorders", Namespace: "acme", Name: "trip",
		Role: "esimorders-edit", List: "kubectl esim get -n acme",
	}
	wide := Call{Did: "read the operators", Verb: "list", Group: "esim.telco.dev", Resource: "esimoperators"}
	denied := apierrors.NewForbidden(resource, "trip", errors.New("the policy says no"))
	says := func(may bool, err error) Allowed {
		return func(context.Context, Call) (bool, error) { return may, err }
	}
	for name, c := range map[string]struct {
		err     error
		call    Call
		allowed Allowed
		want    string
	}{
		"a right is missing": {denied, call, says(false, nil),
			"could not place the order: you lack the right to create esimorders.esim.telco.dev in namespace acme; have an administrator bind you the ClusterRole esimorders-edit there"},
		"a right is missing everywhere, and no role has it": {denied, wide, nil,
			"could not read the operators: you lack the right to list esimoperators.esim.telco.dev in all namespaces; have an administrator give it to you"},
		"nobody can say whether it is a right": {denied, wide, says(false, errors.New("away")),
			"could not read the operators: you lack the right to list esimoperators.esim.telco.dev in all namespaces; have an administrator give it to you"},
		"a policy refuses": {denied, call, says(true, nil),
			`could not place the order: refused by a policy: esimorders.esim.telco.dev "trip" is forbidden: the policy says no`},
		"fields are wrong": {apierrors.NewInvalid(kind, "trip", field.ErrorList{
			field.Invalid(field.NewPath("spec", "variant"), "object", "must be the name of a variant"),
			field.Required(field.NewPath("spec", "productRef"), "name the product"),
		}), call, nil, "could not place the order: the API server refuses what it says\n  spec.variant: must be the name of a variant\n  spec.productRef: Required value: name the product"},
		"it is invalid, and no field is named": {apierrors.NewInvalid(kind, "trip", nil), call, nil,
			`could not place the order: EsimOrder.esim.telco.dev "trip" is invalid`},
		"it is not there": {apierrors.NewNotFound(resource, "trip"), call, nil,
			"could not place the order: there is no esimorder trip in namespace acme; see what there is: kubectl esim get -n acme"},
		"nothing is installed": {apierrors.NewGenericServerResponse(404, "get", schema.GroupResource{}, "", "", 0, true), call, nil,
			"could not place the order: the API server does not know esim-operator's kinds; is it installed here, and is this the right --context? kubectl esim doctor tells more"},
		"it is there already": {apierrors.NewAlreadyExists(resource, "trip"), call, nil,
			"could not place the order: esimorder trip in namespace acme exists already, and was left as it is"},
		"nobody knows the caller": {apierrors.NewUnauthorized("no"), call, nil,
			"could not place the order: the API server does not know you; log in again, or choose another --context"},
		"a conflict": {apierrors.NewConflict(resource, "trip", errors.New("changed")), call, nil,
			"could not place the order: somebody else changed it at the same moment; try again"},
		"nobody answers": {
			&url.Error{Op: "Post", URL: "https://10.0.0.1:6443/apis", Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}, call, nil,
			"could not place the order: the API server at 10.0.0.1:6443 cannot be reached (connection refused); see that it runs, and that this is the right --context"},
		"it takes too long": {context.DeadlineExceeded, call, nil, "could not place the order: the API server did not answer in time; try again"},
		"anything else":     {errors.New("something else"), call, nil, "could not place the order: something else"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Explain(t.Context(), c.err, c.call, c.allowed)
			if diff := cmp.Diff(c.want, got.Error()); diff != "" {
				t.Errorf("the words differ (-want +got):\n%s", diff)
			}
			if !errors.Is(got, c.err) {
				t.Error("the error that it explains is not kept")
			}
		})
	}
	if Explain(t.Context(), nil, call, nil) != nil {
		t.Error("no error is explained as one")
	}
}

func TestEachFieldSaysWhatItMayBe(t *testing.T) {
	err := apierrors.NewInvalid(schema.GroupKind{Kind: "EsimOrder"}, "trip", nil)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{
		{Field: "<nil>", Message: "some validation rules were not checked because the object was invalid"},
		{Field: "spec.variant", Message: `Invalid value: "say \"1gb\"": must be a name`},
		{Field: "spec.quantity", Message: "Invalid value: 2: must be 1: one order is one eSIM"},
		{Field: "spec.amount", Message: `Invalid value: "string": must be a decimal number`},
	}
	want := "could not buy: the API server refuses what it says\n" +
		"  spec.variant: \"say \\\"1gb\\\"\" is refused: must be a name\n" +
		"  spec.quantity: 2 is refused: must be 1: one order is one eSIM\n" +
		"  spec.amount: must be a decimal number"
	if got := Explain(t.Context(), err, Call{Did: "buy"}, nil).Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
