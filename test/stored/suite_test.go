// Package stored_test holds the kinds to what earlier versions have left in etcd. There is one
// version so far; from the second release on, upgrades and downgrades are tried beside it.
package stored_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/telcodev/esim-operator/internal/testenv"
)

func TestStored(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Stored objects")
}

var env *testenv.Environment

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	env, err = testenv.Start(ctx, testenv.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return env.Stop() })
})
