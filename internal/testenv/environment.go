// Package testenv gives a test suite a real control plane: etcd and kube-apiserver with
// RBAC, the CRDs, the admission policies and the roles of config/ installed, as a cluster
// would have them. Nothing of it outlives the test binary, however that ends.
package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	esimv1alpha1 "github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/inforce"
)

const (
	// SystemNamespace is where the manager runs and keeps operators' credentials.
	SystemNamespace = "esim-system"
	// ManagerServiceAccount is the identity of `manager controllers`, in SystemNamespace.
	ManagerServiceAccount = "esim-operator-controllers"

	policiesTimeout = 30 * time.Second
	processTimeout  = time.Minute
)

// Options say what a suite needs beyond the usual. The zero value is right for most.
type Options struct {
	// Audit makes the API server log every request at this level, for AuditEvents.
	Audit AuditLevel
	// Scheme of Client. Default: Kubernetes' own kinds and esim.telco.dev.
	Scheme *runtime.Scheme
	// EtcdQuota is how large etcd's database may become, in bytes; etcd's own default where 0.
	EtcdQuota int64
	// WithoutAdmission leaves config/admission out, for a test that applies it itself.
	WithoutAdmission bool
	// AdmissionPlugins are switched on beside those that the API server has by default.
	AdmissionPlugins []string
}

// Environment is a running control plane. Stop ends it.
type Environment struct {
	// Config is an administrator's (group system:masters).
	Config *rest.Config
	// Client is an administrator's, without a cache.
	Client client.Client
	// Scheme of Client.
	Scheme *runtime.Scheme
	// Assets is the folder of the binaries in use: etcd, kube-apiserver and kubectl.
	Assets string
	// Root is the root of this repository, to find config/ from.
	Root string

	dir    string
	audit  string
	plane  *envtest.Environment
	keeper *keeper
	// again are parts of the control plane that were ended and started anew.
	again map[Part]*exec.Cmd
}

// Start brings up a control plane and installs config/ on it; every admission policy is in
// force when it returns. It takes some seconds, and minutes where the control plane's
// binaries have to be built first. On an error nothing is left running.
func Start(ctx context.Context, o Options) (*Environment, error) {
	e := &Environment{Scheme: o.Scheme}
	if err := e.start(ctx, o); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

func (e *Environment) start(ctx context.Context, o Options) (err error) {
	if e.Root, err = repositoryRoot(); err != nil {
		return err
	}
	if e.Assets, err = findAssets(ctx, e.Root); err != nil {
		return err
	}
	if e.dir, err = os.MkdirTemp("", "esim-testenv-"); err != nil {
		return fmt.Errorf("making the control plane's folder: %w", err)
	}
	if e.keeper, err = startKeeper(e.dir); err != nil {
		return err
	}
	if err := e.startControlPlane(o); err != nil {
		return err
	}
	if e.Scheme == nil {
		if e.Scheme, err = defaultScheme(); err != nil {
			return err
		}
	}
	if e.Client, err = client.New(e.Config, client.Options{Scheme: e.Scheme}); err != nil {
		return fmt.Errorf("making the administrator's client: %w", err)
	}
	return e.install(ctx, o)
}

func (e *Environment) startControlPlane(o Options) error {
	e.plane = &envtest.Environment{
		CRDDirectoryPaths:        []string{filepath.Join(e.Root, "config", "crd", "bases")},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: processTimeout,
		ControlPlaneStopTimeout:  processTimeout,
	}
	etcd := &envtest.Etcd{DataDir: filepath.Join(e.dir, "etcd")}
	if o.EtcdQuota > 0 {
		etcd.Configure().Set("quota-backend-bytes", strconv.FormatInt(o.EtcdQuota, 10))
	}
	apiServer := e.plane.ControlPlane.GetAPIServer()
	apiServer.CertDir = filepath.Join(e.dir, "kube-apiserver")
	e.plane.ControlPlane.Etcd = etcd
	for _, folder := range []string{etcd.DataDir, apiServer.CertDir} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			return fmt.Errorf("making the control plane's folder: %w", err)
		}
	}

	var err error
	if etcd.Path, err = e.keeper.wrap(filepath.Join(e.Assets, "etcd")); err != nil {
		return err
	}
	if apiServer.Path, err = e.keeper.wrap(filepath.Join(e.Assets, "kube-apiserver")); err != nil {
		return err
	}
	e.plane.ControlPlane.KubectlPath = filepath.Join(e.Assets, "kubectl")
	if e.audit, err = configureAudit(apiServer, e.dir, o.Audit); err != nil {
		return err
	}
	if len(o.AdmissionPlugins) > 0 {
		apiServer.Configure().Append("enable-admission-plugins", o.AdmissionPlugins...)
	}
	if e.Config, err = e.plane.Start(); err != nil {
		return fmt.Errorf("starting etcd and kube-apiserver: %w", err)
	}
	return nil
}

// install applies what an installation has beside the CRDs.
func (e *Environment) install(ctx context.Context, o Options) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: SystemNamespace}}
	if err := e.Client.Create(ctx, namespace); err != nil {
		return fmt.Errorf("creating the namespace %s: %w", SystemNamespace, err)
	}
	if err := e.ApplyFolder(ctx, "config/rbac"); err != nil {
		return err
	}
	if !o.WithoutAdmission {
		if err := e.ApplyFolder(ctx, "config/admission"); err != nil {
			return err
		}
		if err := e.WaitForPolicies(ctx); err != nil {
			return err
		}
	}
	return e.waitForOrders(ctx)
}

// waitForOrders returns once orders can be created: for some seconds after a CRD was
// established the API server refuses that, so that every replica has learned of the kind, and
// so do policies that change orders, until they know its schema.
func (e *Environment) waitForOrders(ctx context.Context) error {
	admin, err := client.New(e.Config, client.Options{})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, policiesTimeout, true, func(ctx context.Context) (bool, error) {
		order := &unstructured.Unstructured{Object: map[string]any{
			"spec": map[string]any{"productRef": map[string]any{"name": "probe"}, "variant": "probe"},
		}}
		order.SetGroupVersionKind(esimv1alpha1.GroupVersion.WithKind("EsimOrder"))
		order.SetNamespace(SystemNamespace)
		order.SetName("probe")
		err := admin.Create(ctx, order, client.DryRunAll)
		if apierrors.IsServiceUnavailable(err) || apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("waiting until orders can be created: %w", err)
	}
	return nil
}

// WaitForPolicies returns once every admission policy that was created before the call is
// in force. Start has done it for those of config/admission.
func (e *Environment) WaitForPolicies(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, policiesTimeout)
	defer cancel()
	return inforce.Wait(ctx, e.Client)
}

// UserConfig is the configuration of a user of this name and in these groups, who may do
// what RBAC lets them, which is nothing for a new name.
func (e *Environment) UserConfig(name string, groups ...string) (*rest.Config, error) {
	base := &rest.Config{QPS: e.Config.QPS, Burst: e.Config.Burst}
	user, err := e.plane.AddUser(envtest.User{Name: name, Groups: groups}, base)
	if err != nil {
		return nil, fmt.Errorf("making a certificate for user %s: %w", name, err)
	}
	return user.Config(), nil
}

// ServiceAccountConfig is the configuration of a service account, with the groups that the
// API server gives to one. The ServiceAccount itself need not exist.
func (e *Environment) ServiceAccountConfig(namespace, name string) (*rest.Config, error) {
	return e.UserConfig("system:serviceaccount:"+namespace+":"+name,
		"system:serviceaccounts", "system:serviceaccounts:"+namespace)
}

// ManagerConfig is the configuration of the manager under the generated RBAC role: a right
// that its markers forget fails the suite.
func (e *Environment) ManagerConfig() (*rest.Config, error) {
	return e.ServiceAccountConfig(SystemNamespace, ManagerServiceAccount)
}

// UserClient is a client without a cache for UserConfig.
func (e *Environment) UserClient(name string, groups ...string) (client.Client, error) {
	config, err := e.UserConfig(name, groups...)
	if err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: e.Scheme})
	if err != nil {
		return nil, fmt.Errorf("making a client for user %s: %w", name, err)
	}
	return c, nil
}

// Stop ends the control plane and removes its data. It may be called more than once, and
// on an environment that did not start.
func (e *Environment) Stop() error {
	var errs []error
	if e.plane != nil {
		errs = append(errs, e.endAgain(APIServer), e.plane.Stop(), e.endAgain(Etcd))
	}
	if e.keeper != nil {
		errs = append(errs, e.keeper.stop())
	}
	if e.dir != "" {
		errs = append(errs, os.RemoveAll(e.dir))
	}
	e.plane, e.keeper, e.dir = nil, nil, ""
	return errors.Join(errs...)
}

func defaultScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	err := errors.Join(clientgoscheme.AddToScheme(scheme), esimv1alpha1.AddToScheme(scheme))
	if err != nil {
		return nil, fmt.Errorf("collecting the kinds: %w", err)
	}
	return scheme, nil
}
