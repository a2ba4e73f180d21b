package manager_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/telcodev/esim-operator/internal/manager"
)

var _ = Describe("A manager that may not read what it watches", func() {
	It("ends when it is told to, and does not wait for its caches", func() {
		nobody, err := env.UserConfig("nobody-in-particular")
		Expect(err).NotTo(HaveOccurred())
		ctx, cancel := context.WithCancel(context.Background())
		mgr, err := manager.New(ctx, nobody, unelected(), manager.Options{SkipNameValidation: true})
		Expect(err).NotTo(HaveOccurred())
		ended := make(chan error, 1)
		go func() { ended <- manager.Run(ctx, mgr) }()
		Consistently(ended, "2s").ShouldNot(Receive(), "it waits for its caches")
		cancel()
		Eventually(ended).WithTimeout(10 * time.Second).Should(Receive(MatchError(ContainSubstring("may the manager read what it watches"))))
	})
})
