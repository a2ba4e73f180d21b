// Package api_test applies good and bad manifests to a real API server, as kubectl would,
// and checks what their authors are told.
package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/internal/testenv"
)

func TestAPI(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	RunSpecs(t, "API types")
}

var (
	env *testenv.Environment
	// k8s refuses fields that it does not know, as kubectl does.
	k8s client.Client
)

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	env, err = testenv.Start(ctx, testenv.Options{WithoutAdmission: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
	k8s = client.WithFieldValidation(env.Client, metav1.FieldValidationStrict)
	Expect(k8s.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}})).To(Succeed())
})

// refusal is a manifest that is not accepted, and all that its author is told.
type refusal struct {
	// of ends the sentence "… is refused".
	of string
	// change of the good manifest, as YAML; null takes a field away.
	change string
	// says is what the API server answers: field and message, for each fault.
	says []string
}

// refusedChange is a change of an object that is there already.
type refusedChange struct {
	refusal
	// from is what the object has other than the good one.
	from string
}

// manifest is the good one, in YAML, with changes.
func manifest(good string, changes ...string) *unstructured.Unstructured {
	GinkgoHelper()
	document, err := yaml.YAMLToJSON([]byte(good))
	Expect(err).NotTo(HaveOccurred())
	for _, change := range changes {
		if change == "" {
			continue
		}
		patch, err := yaml.YAMLToJSON([]byte(change))
		Expect(err).NotTo(HaveOccurred())
		document, err = jsonpatch.MergePatch(document, patch)
		Expect(err).NotTo(HaveOccurred())
	}
	object := &unstructured.Unstructured{}
	Expect(object.UnmarshalJSON(document)).To(Succeed())
	return object
}

// create tries a manifest without leaving anything behind.
func create(ctx context.Context, object client.Object) error {
	return k8s.Create(ctx, object, client.DryRunAll)
}

// place creates an object, to be changed.
func place(ctx context.Context, good string, changes ...string) *unstructured.Unstructured {
	GinkgoHelper()
	object := manifest(good, changes...)
	Expect(k8s.Create(ctx, object)).To(Succeed())
	return object
}

// changed is the object with a change.
func changed(object *unstructured.Unstructured, change string) *unstructured.Unstructured {
	GinkgoHelper()
	document, err := object.MarshalJSON()
	Expect(err).NotTo(HaveOccurred())
	return manifest(string(document), change)
}

// edit changes an object that is there.
func edit(ctx context.Context, object *unstructured.Unstructured, change string) error {
	GinkgoHelper()
	return k8s.Update(ctx, changed(object, change))
}

// complaints is what the API server says of each field. Where a fault keeps it from checking
// the rest it says that too, of no field: that is not a complaint.
func complaints(err error) []string {
	var status *apierrors.StatusError
	if !errors.As(err, &status) || status.ErrStatus.Details == nil || len(status.ErrStatus.Details.Causes) == 0 {
		return []string{err.Error()}
	}
	var all []string
	for _, cause := range status.ErrStatus.Details.Causes {
		if strings.Contains(cause.Message, "some validation rules were not checked") {
			continue
		}
		all = append(all, cause.Field+": "+cause.Message)
	}
	return all
}

// beRefusedSaying matches an error that holds these complaints and no other.
func beRefusedSaying(says ...string) gomegatypes.GomegaMatcher {
	return SatisfyAll(HaveOccurred(), WithTransform(complaints, ConsistOf(says)))
}
