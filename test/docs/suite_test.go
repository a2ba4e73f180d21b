// Package docs holds the pages of the documentation against the project: links lead somewhere,
// and the API server takes the manifests that they show. What the tutorial and the README have
// their readers type is run by test/e2e.
package docs

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/telcodev/esim-operator/internal/testenv"
)

func TestManifests(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The manifests of the documentation")
}

var env *testenv.Environment

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	env, err = testenv.Start(ctx, testenv.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return env.Stop() })
})
