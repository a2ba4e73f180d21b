// Package admission_test acts as people in a client's namespace and tries to get round the
// policies of config/admission, on a real API server.
package admission_test

import (
	"context"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/testenv"
)

func TestAdmission(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	RunSpecs(t, "Admission policies")
}

// namespace is the client's.
const namespace = "acme"

// cluster is a control plane and the people on it.
type cluster struct {
	env *testenv.Environment
	// root is a cluster administrator, in the group system:masters.
	root client.Client
	// ann is admin of the client's namespace, by the usual roles.
	ann client.Client
	// walt has every right on everything within the client's namespace, as some give it.
	walt client.Client
	// peter is of the platform team.
	peter client.Client
	// manager is the manager's service account.
	manager client.Client
	// collector, namespaces and controllers are what tidies a cluster up: the garbage
	// collector, the namespace controller, and the one account that both may share.
	collector, namespaces, controllers client.Client
}

var (
	// guarded has the policies in force.
	guarded *cluster
	// unguarded has everything but the policies: what is refused in guarded and allowed
	// here is refused by a policy.
	unguarded *cluster
)

var _ = BeforeSuite(func(ctx context.Context) {
	guarded = newCluster(ctx, testenv.Options{})
	unguarded = newCluster(ctx, testenv.Options{WithoutAdmission: true})
})

func newCluster(ctx context.Context, o testenv.Options) *cluster {
	GinkgoHelper()
	env, err := testenv.Start(ctx, o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)

	c := &cluster{env: env, root: env.Client}
	c.ann = c.user("ann")
	c.walt = c.user("walt")
	c.peter = c.user("peter")
	c.manager = c.serviceAccount(testenv.SystemNamespace, testenv.ManagerServiceAccount)
	c.collector = c.serviceAccount("kube-system", "generic-garbage-collector")
	c.namespaces = c.serviceAccount("kube-system", "namespace-controller")
	c.controllers = c.user("system:kube-controller-manager")

	Expect(c.root.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	// No controller aggregates roles here, so ann gets the parts of the role admin one by one.
	for _, role := range []string{
		"system:aggregate-to-view", "system:aggregate-to-edit", "system:aggregate-to-admin", "esimorders-edit",
	} {
		c.bindInNamespace(ctx, "ann", role)
	}
	c.bindInNamespace(ctx, "walt", "cluster-admin")
	c.bind(ctx, "peter", "esim-platform")
	// The policies go by names, so the rights of these do not matter here.
	c.bind(ctx, "system:serviceaccount:"+testenv.SystemNamespace+":"+testenv.ManagerServiceAccount, "cluster-admin")
	c.bind(ctx, "system:kube-controller-manager", "cluster-admin")
	return c
}

func (c *cluster) user(name string) client.Client {
	GinkgoHelper()
	user, err := c.env.UserClient(name)
	Expect(err).NotTo(HaveOccurred())
	return user
}

func (c *cluster) serviceAccount(namespace, name string) client.Client {
	GinkgoHelper()
	config, err := c.env.ServiceAccountConfig(namespace, name)
	Expect(err).NotTo(HaveOccurred())
	account, err := client.New(config, client.Options{Scheme: c.env.Scheme})
	Expect(err).NotTo(HaveOccurred())
	return account
}

func (c *cluster) bind(ctx context.Context, user, role string) {
	GinkgoHelper()
	Expect(c.root.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})).To(Succeed())
}

func (c *cluster) bindInNamespace(ctx context.Context, user, role string) {
	GinkgoHelper()
	Expect(c.root.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Namespace: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})).To(Succeed())
}

// beRefusedBy matches the error with which a policy of config/admission refuses a request.
func beRefusedBy(policy string) gomegatypes.GomegaMatcher {
	return SatisfyAll(
		WithTransform(func(err error) bool { return apierrors.IsForbidden(err) || apierrors.IsInvalid(err) }, BeTrue()),
		WithTransform(func(err error) bool {
			return strings.Contains(err.Error(), "'"+policy+".esim.telco.dev'")
		}, BeTrue()),
	)
}
