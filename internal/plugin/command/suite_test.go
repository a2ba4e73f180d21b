package command_test

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/transport"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/plugin/command"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/version"
)

func TestCommands(t *testing.T) {
	RegisterFailHandler(Fail)
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyTimeout(20 * time.Second)
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	RunSpecs(t, "kubectl esim")
}

const namespace = "acme"

var (
	env *testenv.Environment
	// k8s is an administrator's, manager the manager's own, who alone writes status and Secrets.
	k8s, manager client.Client
	// Kubeconfigs of who may do what.
	buyer, stranger, administrator string
)

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	var err error
	env, err = testenv.Start(ctx, testenv.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return env.Stop() })
	k8s = env.Client
	identity, err := env.ManagerConfig()
	Expect(err).NotTo(HaveOccurred())
	manager, err = client.New(identity, client.Options{Scheme: env.Scheme})
	Expect(err).NotTo(HaveOccurred())

	Expect(k8s.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	administrator = kubeconfig(env.Config)
	stranger = kubeconfigOf("stranger")
	buyer = kubeconfigOf("buyer")
	// The parts of the ClusterRole edit that are Kubernetes' own are put together by a controller
	// that does not run here.
	Expect(k8s.Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "of-edit"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"list"}},
	}})).To(Succeed())
	bind(ctx, "esimorders-edit", "buyer")
	bind(ctx, "of-edit", "buyer")
})

func bind(ctx context.Context, role, user string) {
	GinkgoHelper()
	Expect(k8s.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role + "-" + user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})).To(Succeed())
}

func kubeconfigOf(user string) string {
	GinkgoHelper()
	config, err := env.UserConfig(user)
	Expect(err).NotTo(HaveOccurred())
	return kubeconfig(config)
}

// kubeconfig writes a file whose context is in the client's namespace.
func kubeconfig(config *rest.Config) string {
	GinkgoHelper()
	file := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"test": {Server: server(config), CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"test": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: "test", Namespace: namespace}},
		CurrentContext: "test",
	}, file)).To(Succeed())
	return file
}

func server(config *rest.Config) string {
	if strings.Contains(config.Host, "://") {
		return config.Host
	}
	return "https://" + config.Host
}

// build is the build of the plugin that is run.
var build = version.Info{
	Version: "v1.2.3", Commit: "0123456789abcdef0123456789abcdef01234567", Date: "2026-03-01T04:30:00Z",
	Go: "go1.26.8", Platform: "linux/amd64",
}

// call is one run of the plugin.
type call struct {
	// answer is typed by a person, who is there if it is not empty.
	answer    string
	transport transport.WrapperFunc
}

// outcome is what a run printed, and how it ended.
type outcome struct {
	out, errOut string
	err         error
}

// run runs `kubectl esim` with a kubeconfig.
func run(ctx context.Context, kubeconfig string, args ...string) outcome {
	return call{}.run(ctx, kubeconfig, args...)
}

func (c call) run(ctx context.Context, kubeconfig string, args ...string) outcome {
	var out, errOut bytes.Buffer
	in := strings.NewReader(c.answer)
	environment := command.Real(genericiooptions.IOStreams{In: in, Out: &out, ErrOut: &errOut}, build)
	environment.Terminal = func(stream any) bool { return stream == any(in) && c.answer != "" }
	environment.Transport = c.transport
	root := command.New(environment)
	at := 0
	if args[0] == "__complete" {
		at = 1 // it takes flags after its own name
	}
	root.SetArgs(slices.Insert(slices.Clone(args), at, "--kubeconfig="+kubeconfig))
	err := root.ExecuteContext(ctx)
	return outcome{out.String(), errOut.String(), err}
}

// placed creates an order.
func placed(ctx context.Context, name string) *v1alpha1.EsimOrder {
	GinkgoHelper()
	order := &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: "japan"}, Variant: "1gb-7d"},
	}
	Expect(k8s.Create(ctx, order)).To(Succeed())
	return order
}

// look is an order as it is now.
func look(ctx context.Context, name string) *v1alpha1.EsimOrder {
	GinkgoHelper()
	var order v1alpha1.EsimOrder
	Expect(k8s.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &order)).To(Succeed())
	return &order
}

// become has the manager write an order's status.
func become(ctx context.Context, name string, change func(*v1alpha1.EsimOrder)) {
	GinkgoHelper()
	Eventually(func() error {
		var order v1alpha1.EsimOrder
		if err := k8s.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &order); err != nil {
			return err
		}
		change(&order)
		return manager.Status().Update(ctx, &order)
	}).Should(Succeed())
}

const (
	matchingID = "K3TQX9ZW7VJ2M4PBN8RD"
	code       = "LPA:1$rsp.example.com$" + matchingID
	iccid      = "8986000000000000018"
)

// ready is a Ready condition.
func ready(status metav1.ConditionStatus, reason, message string) v1alpha1.Conditions {
	return v1alpha1.Conditions{{
		Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.Now(),
	}}
}

func delivered(o *v1alpha1.EsimOrder) {
	o.Status.Phase = v1alpha1.PhaseDelivered
	o.Status.Plan = &v1alpha1.OrderPlan{
		Product: "japan", Variant: "1gb-7d", DisplayName: "Japan 1 GB / 7 days", CountryCode: "JPN",
		DataAmountGB: "1", ValidityDays: 7, Amount: "4.50", Currency: "USD",
	}
	o.Status.Charge = &v1alpha1.OrderCharge{
		WalletRef: v1alpha1.WalletReference{Name: "main"}, WalletUID: "1", Amount: "4.05", Currency: "USD",
		DiscountPercent: "10", TransactionID: 4, Time: metav1.Now(),
	}
	o.Status.Provisioning = &v1alpha1.OrderProvisioning{
		OperatorRef: v1alpha1.OperatorReference{Name: "telco-one"}, PlanID: "JP-1GB-7D", Attempt: 1, RequestID: "1", StartTime: metav1.Now(),
	}
	o.Status.Esim = &v1alpha1.OrderEsim{
		ICCID: iccid, ActivationCode: "LPA:1$rsp.example.com$********",
		SecretRef: v1alpha1.SecretReference{Name: v1alpha1.ActivationSecretName(o.Name)},
	}
	o.Status.Activation = &v1alpha1.OrderActivation{
		Status: v1alpha1.ActivationNotInstalled, RefreshInterval: &metav1.Duration{Duration: time.Second},
	}
	o.Status.Conditions = ready(metav1.ConditionTrue, "Delivered", "")
}

// deliveredOrder is one with its Secret.
func deliveredOrder(ctx context.Context, name string) *v1alpha1.EsimOrder {
	GinkgoHelper()
	order := placed(ctx, name)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: v1alpha1.ActivationSecretName(name),
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "EsimOrder", Name: name, UID: order.UID,
			}},
		},
		Type: v1alpha1.ActivationSecretType,
		Data: map[string][]byte{v1alpha1.SecretKeyActivationCode: []byte(code), v1alpha1.SecretKeyMatchingID: []byte(matchingID)},
	}
	Expect(manager.Create(ctx, secret)).To(Succeed())
	become(ctx, name, delivered)
	return look(ctx, name)
}
