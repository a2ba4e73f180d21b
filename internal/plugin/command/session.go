package command

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-logr/logr"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/plugin/refusal"
)

// session is a connection to the API server, with the rights of whoever calls.
type session struct {
	client.WithWatch
	config *rest.Config
	// namespace that was asked for, else that of the kubeconfig's context.
	namespace string
}

// connect makes a session. Nothing is sent yet.
func (p *plugin) connect() (*session, error) {
	config, err := p.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the API server: %w; name a kubeconfig with --kubeconfig or KUBECONFIG", err)
	}
	namespace, _, err := p.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, fmt.Errorf("finding the namespace: %w; name one with -n", err)
	}
	config.QPS, config.Burst = 50, 100 // of one person, for a moment
	config.UserAgent = p.Version.APIServerAgent("kubectl-esim")
	config.WarningHandler = rest.NewWarningWriter(p.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
	if p.Transport != nil {
		config.Wrap(p.Transport)
	}
	scheme, err := kinds()
	if err != nil {
		return nil, err
	}
	// The kinds are known: nothing has to be discovered first.
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme, Mapper: mapper(scheme)})
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	return &session{WithWatch: c, config: config, namespace: namespace}, nil
}

func kinds() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("collecting the kinds: %w", err)
	}
	return scheme, nil
}

// clusterWide are the kinds that belong to no namespace, of those that commands read.
var clusterWide = map[string]bool{
	"EsimOperator": true, "EsimProduct": true, "Namespace": true,
	"SelfSubjectAccessReview": true, "SubjectAccessReview": true,
	"ValidatingAdmissionPolicy": true, "ValidatingAdmissionPolicyBinding": true,
	"MutatingAdmissionPolicy": true, "MutatingAdmissionPolicyBinding": true,
	"CustomResourceDefinition": true,
}

func mapper(scheme *runtime.Scheme) meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(scheme.PrioritizedVersionsAllGroups())
	for kind := range scheme.AllKnownTypes() {
		scope := meta.RESTScope(meta.RESTScopeNamespace)
		if clusterWide[kind.Kind] {
			scope = meta.RESTScopeRoot
		}
		mapper.Add(kind, scope)
	}
	return mapper
}

// quietly is for a request whose answer holds a credential: client-go logs bodies from -v=8 on.
func quietly(ctx context.Context) context.Context {
	return klog.NewContext(ctx, logr.Discard())
}

// explain puts an error in words.
func (s *session) explain(ctx context.Context, err error, call refusal.Call) error {
	return refusal.Explain(ctx, err, call, s.allowed)
}

// allowed asks the API server for a right of the caller's own. Everybody may ask that.
func (s *session) allowed(ctx context.Context, call refusal.Call) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: call.Verb, Group: call.Group, Resource: call.Resource, Namespace: call.Namespace, Name: call.Name,
		},
	}}
	if err := s.Create(ctx, review); err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

// Roles of config/rbac.
const (
	roleOrdersView   = "esimorders-view"
	roleOrdersEdit   = "esimorders-edit"
	roleProductsView = "esimproducts-view"
	roleWalletsView  = "esimwallets-view"
	rolePlatform     = "esim-platform"
)

func (s *session) orderCall(did, verb, name, role string) refusal.Call {
	return refusal.Call{
		Did: did, Verb: verb, Group: v1alpha1.GroupVersion.Group, Resource: "esimorders",
		Namespace: s.namespace, Name: name, Role: role, List: "kubectl esim get -n " + s.namespace,
	}
}

// order reads an order of the session's namespace.
func (s *session) order(ctx context.Context, name string) (*v1alpha1.EsimOrder, error) {
	var order v1alpha1.EsimOrder
	if err := s.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, &order); err != nil {
		return nil, s.explain(ctx, err, s.orderCall("read the order "+name, "get", name, roleOrdersView))
	}
	return &order, nil
}

// pageSize bounds how many orders are read in one request.
const pageSize = 500

// ordersIn reads the orders of a namespace, or of all where it is empty, as they stood at one
// moment: page by page, as there may be many.
func (s *session) ordersIn(ctx context.Context, namespace string) ([]v1alpha1.EsimOrder, error) {
	var orders []v1alpha1.EsimOrder
	next := ""
	for {
		var page v1alpha1.EsimOrderList
		if err := s.List(ctx, &page, client.InNamespace(namespace), client.Limit(pageSize), client.Continue(next)); err != nil {
			call := s.orderCall("list orders", "list", "", roleOrdersView)
			call.Namespace = namespace
			return nil, s.explain(ctx, err, call)
		}
		orders = append(orders, page.Items...)
		if next = page.Continue; next == "" {
			return orders, nil
		}
	}
}

// product reads an EsimProduct.
func (s *session) product(ctx context.Context, name string) (*v1alpha1.EsimProduct, error) {
	var product v1alpha1.EsimProduct
	if err := s.Get(ctx, client.ObjectKey{Name: name}, &product); err != nil {
		return nil, s.explain(ctx, err, refusal.Call{
			Did: "read the product " + name, Verb: "get", Group: v1alpha1.GroupVersion.Group, Resource: "esimproducts",
			Name: name, Role: roleProductsView, List: "kubectl get esimproducts",
		})
	}
	return &product, nil
}

// wallets reads all wallets of the session's namespace.
func (s *session) wallets(ctx context.Context) ([]v1alpha1.EsimWallet, error) {
	var wallets v1alpha1.EsimWalletList
	if err := s.List(ctx, &wallets, client.InNamespace(s.namespace)); err != nil {
		return nil, s.explain(ctx, err, refusal.Call{
			Did: "read the wallets", Verb: "list", Group: v1alpha1.GroupVersion.Group, Resource: "esimwallets",
			Namespace: s.namespace, Role: roleWalletsView,
		})
	}
	return wallets.Items, nil
}

// events are those of one order; none where they cannot be read.
func (s *session) events(ctx context.Context, order *v1alpha1.EsimOrder) ([]corev1.Event, error) {
	var events corev1.EventList
	err := s.List(ctx, &events, client.InNamespace(order.Namespace),
		client.MatchingFields{"involvedObject.uid": string(order.UID)}, client.Limit(500))
	if err != nil {
		return nil, s.explain(ctx, err, refusal.Call{
			Did: "read events", Verb: "list", Resource: "events", Namespace: order.Namespace, Role: "view",
		})
	}
	return events.Items, nil
}

// table collects rows, and prints them as kubectl prints tables.
type table struct{ metav1.Table }

// column adds one; those that are wide are shown with -o wide alone.
func (t *table) column(name string, wide bool) {
	priority := int32(0)
	if wide {
		priority = 1
	}
	t.ColumnDefinitions = append(t.ColumnDefinitions, metav1.TableColumnDefinition{Name: name, Type: "string", Priority: priority})
}

func (t *table) row(cells ...any) {
	t.Rows = append(t.Rows, metav1.TableRow{Cells: cells})
}

// kindOf is the kind of one of our own objects, as -o json shows it.
func kindOf(kind string) schema.GroupVersionKind { return v1alpha1.GroupVersion.WithKind(kind) }

// flush writes text, and says what for if that fails.
func flush(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}
