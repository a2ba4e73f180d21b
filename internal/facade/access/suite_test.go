package access_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/testenv"
)

func TestAccess(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	RunSpecs(t, "Access")
}

var (
	env *testenv.Environment
	// facade has the rights of the facade's own roles, and no more.
	facade *rest.Config
	// reader stands for the facade's caches. It is an administrator's: the facade itself may only
	// list and watch what is in them.
	reader client.Reader
)

// home is where most requests come from.
var home = netip.MustParseAddr("203.0.113.7")

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	env, err = testenv.Start(ctx, testenv.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(env.Stop()).To(Succeed()) })
	Expect(env.ApplyFolder(ctx, "config/facade")).To(Succeed())
	facade, err = env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
	Expect(err).NotTo(HaveOccurred())
	reader = env.Client
})

// newGuard is a replica of the facade, with a clock of its own for limits.
func newGuard(c clock.WithTicker) *access.Guard {
	GinkgoHelper()
	guard, err := access.New(access.Config{REST: facade, Cache: reader, Clock: c, Random: rand.Reader})
	Expect(err).NotTo(HaveOccurred())
	return guard
}

func newClock() *clocktesting.FakeClock { return clocktesting.NewFakeClock(time.Now()) }

// newClient makes a namespace a client, as config/samples/client.yaml does.
func newClient(ctx context.Context) string {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "client-"}}
	Expect(env.Client.Create(ctx, namespace)).To(Succeed())
	newAccount(ctx, namespace.Name, access.LoginServiceAccount, "esim-client")
	bind(ctx, namespace.Name, "esim-facade-client", testenv.SystemNamespace, "esim-facade")
	return namespace.Name
}

func newAccount(ctx context.Context, namespace, name string, roles ...string) {
	GinkgoHelper()
	Expect(env.Client.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})).To(Succeed())
	for _, role := range roles {
		bind(ctx, namespace, role, namespace, name)
	}
}

// bind gives a ServiceAccount a ClusterRole in a namespace.
func bind(ctx context.Context, in, role, namespace, name string) {
	GinkgoHelper()
	Expect(env.Client.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: in, GenerateName: "test-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}},
	})).To(Succeed())
}

// newTerms gives a client an EsimClient.
func newTerms(ctx context.Context, namespace string, spec v1alpha1.EsimClientSpec) {
	GinkgoHelper()
	Expect(env.Client.Create(ctx, &v1alpha1.EsimClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.ClientName}, Spec: spec,
	})).To(Succeed())
}

// tokenOf is a token as `kubectl create token` gives it.
func tokenOf(ctx context.Context, namespace, account string, audiences ...string) string {
	GinkgoHelper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: audiences, ExpirationSeconds: ptr.To(int64(600)),
	}}
	owner := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account}}
	Expect(env.Client.SubResource("token").Create(ctx, owner, request)).To(Succeed())
	return request.Status.Token
}

// newKey makes an API key, as `manager api-key create` does.
func newKey(ctx context.Context, namespace string) *access.APIKey {
	GinkgoHelper()
	key, err := access.NewAPIKey(rand.Reader, namespace)
	Expect(err).NotTo(HaveOccurred())
	Expect(env.Client.Create(ctx, key.Object)).To(Succeed())
	return key
}

func login(ctx context.Context, guard *access.Guard, key *access.APIKey) *access.Session {
	GinkgoHelper()
	session, err := guard.Login(ctx, home, key.Key, key.Secret)
	Expect(err).NotTo(HaveOccurred())
	return session
}

// sessionSecrets are the Secrets of the sessions of a client.
func sessionSecrets(ctx context.Context, namespace string) []corev1.Secret {
	GinkgoHelper()
	var all corev1.SecretList
	Expect(env.Client.List(ctx, &all, client.InNamespace(namespace), client.HasLabels{"esim.telco.dev/session"})).To(Succeed())
	return all.Items
}

// with is a request with a token.
func with(ctx context.Context, token string) *http.Request {
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/esim/orders", http.NoBody)
	request.RemoteAddr = netip.AddrPortFrom(home, 4711).String()
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return request
}

// refusalOf is what Authenticate says of a token.
func refusalOf(ctx context.Context, guard *access.Guard, token activation.Credential) error {
	_, err := guard.Authenticate(with(ctx, token.Reveal()))
	return err
}
