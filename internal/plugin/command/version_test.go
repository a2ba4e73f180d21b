package command_test

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("The version", func() {
	It("is told to people and to programs, without a cluster", func(ctx SpecContext) {
		const line = "v1.2.3 (commit 0123456789ab of 2026-03-01T04:30:00Z, go1.26.8, linux/amd64)\n"
		Expect(run(ctx, "/nowhere", "version").out).To(Equal(line))
		Expect(run(ctx, "/nowhere", "--version").out).To(HaveSuffix(line))
		Expect(run(ctx, "/nowhere", "version", "-o", "json").out).To(MatchJSON(`{
			"version": "v1.2.3", "commit": "0123456789abcdef0123456789abcdef01234567", "date": "2026-03-01T04:30:00Z",
			"go": "go1.26.8", "platform": "linux/amd64"}`))
	})

	It("is what the API server is called with, for its audit log", func(ctx SpecContext) {
		var agents []string
		listening := call{transport: func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(request *http.Request) (*http.Response, error) {
				agents = append(agents, request.Header.Get("User-Agent"))
				return next.RoundTrip(request)
			})
		}}
		Expect(listening.run(ctx, buyer, "get").err).NotTo(HaveOccurred())
		Expect(agents).NotTo(BeEmpty())
		Expect(agents).To(HaveEach("kubectl-esim/v1.2.3 (linux/amd64) esim-operator/0123456789ab"))
	})
})
