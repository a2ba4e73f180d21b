// Package config_test has a real API server judge the manifests of config/.
package config_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/telcodev/esim-operator/internal/manifests"
	"github.com/telcodev/esim-operator/internal/testenv"
)

func TestConfig(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	RunSpecs(t, "Manifests")
}

var env *testenv.Environment

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	env, err = testenv.Start(ctx, testenv.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
})

// rendered are the objects of a folder of config/.
func rendered(ctx context.Context, folder string) []*unstructured.Unstructured {
	GinkgoHelper()
	objects, err := manifests.Read(ctx, filepath.Join(env.Assets, "kubectl"), filepath.Join(env.Root, "config", folder))
	Expect(err).NotTo(HaveOccurred())
	Expect(objects).NotTo(BeEmpty())
	return objects
}

// ofKind are the objects of one kind, as T.
func ofKind[T any](objects []*unstructured.Unstructured, kind string) []T {
	GinkgoHelper()
	var all []T
	for _, object := range objects {
		if object.GetKind() != kind {
			continue
		}
		var typed T
		Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &typed, true)).To(Succeed())
		all = append(all, typed)
	}
	return all
}
