package rights

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/telcodev/esim-operator/internal/servingcert"
	"github.com/telcodev/esim-operator/internal/testenv"
)

// asked are the requests for resources that a ServiceAccount has made, thieves left aside.
func asked(account string) ([]testenv.AuditEvent, error) {
	all, err := env.AuditEvents()
	if err != nil {
		return nil, err
	}
	var own []testenv.AuditEvent
	for _, event := range all {
		if event.User == "system:serviceaccount:"+testenv.SystemNamespace+":"+account && event.UserAgent != thief {
			own = append(own, event)
		}
	}
	return own, nil
}

// clientTLS speaks one version, shows a certificate, and does not care who answers.
func clientTLS(s *stage, version uint16) *tls.Config {
	GinkgoHelper()
	pki := s.shop.SMDP.PKI()
	own, err := tls.X509KeyPair(pki.ClientCert, pki.ClientKey)
	Expect(err).NotTo(HaveOccurred())
	return &tls.Config{MinVersion: version, MaxVersion: version, InsecureSkipVerify: true, Certificates: []tls.Certificate{own}}
}

func shakeHands(ctx context.Context, s *stage, address string, version uint16) error {
	GinkgoHelper()
	conn, err := (&tls.Dialer{Config: clientTLS(s, version)}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

var _ = Describe("After everything that the manager and the facade can do,", Ordered, ContinueOnFailure, func() {
	var (
		told                    *stage
		stopManager, stopFacade func()
	)
	BeforeAll(func(ctx SpecContext) {
		told = setStage(ctx)
		stopManager, stopFacade = startManager(ctx, told), startFacade(ctx, told)
		Eventually(func() int {
			return send(ctx, told.https, http.MethodGet, "https://"+told.rest+"/readyz", http.NoBody).status
		}).WithContext(ctx).Should(Equal(http.StatusOK))
		told.orderWholesale(ctx)
		told.overREST(ctx)
		told.scrape(ctx)
		told.hearOfWholesale(ctx)
		told.sell(ctx)
	}, NodeTimeout(2*time.Minute))

	DescribeTable("a listener takes TLS 1.2 and 1.3, nothing older, and no endless header:",
		func(ctx SpecContext, listener func(*stage) string, maxHeader int) {
			address := listener(told)
			for version, taken := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
				err := shakeHands(ctx, told, address, version)
				if taken {
					Expect(err).NotTo(HaveOccurred(), tls.VersionName(version))
				} else {
					Expect(err).To(MatchError(ContainSubstring("protocol version not supported")), tls.VersionName(version))
				}
			}
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: clientTLS(told, tls.VersionTLS13), MaxResponseHeaderBytes: 1 << 20}}
			DeferCleanup(client.CloseIdleConnections)
			long := strings.Repeat("x", 2*maxHeader)
			Expect(send(ctx, client, http.MethodGet, "https://"+address+"/", http.NoBody, "X-Long", long).status).To(Equal(http.StatusRequestHeaderFieldsTooLarge))
		},
		Entry("the REST API", func(s *stage) string { return s.rest }, 16<<10),
		Entry("the facade's metrics", func(s *stage) string { return s.facadeMetrics }, 1<<20),
		Entry("the manager's metrics", func(s *stage) string { return s.managerMetrics }, 1<<20),
		Entry("the receiver of notifications", func(s *stage) string { return s.notifications }, 16<<10),
		Entry("the receiver of wholesalers' webhooks", func(s *stage) string { return s.vendorHooks }, 16<<10),
	)

	It("metrics tell when the certificate of each server expires", func() {
		families, err := metrics.Registry.Gather()
		Expect(err).NotTo(HaveOccurred())
		var servers []string
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				if family.GetName() == "esim_serving_certificate_expiry_timestamp_seconds" {
					Expect(time.Unix(int64(metric.GetGauge().GetValue()), 0)).To(BeTemporally(">", time.Now()))
					servers = append(servers, metric.GetLabel()[0].GetValue())
				}
			}
		}
		Expect(servers).To(ConsistOf(servingcert.REST, servingcert.Notifications, servingcert.VendorWebhooks))
	})

	It("both end when they are told to", func() {
		// The API server's log tells of a watch when it ends.
		stopFacade()
		stopManager()
	})

	DescribeTable("no right was left over, and none was missing:",
		func(ctx SpecContext, account string) {
			rights, err := granted(ctx, k8s, testenv.SystemNamespace, account)
			Expect(err).NotTo(HaveOccurred())
			requests, err := asked(account)
			Expect(err).NotTo(HaveOccurred())
			Expect(len(rights)).To(BeNumerically(">", 10))
			Expect(len(requests)).To(BeNumerically(">", 20))
			Expect(refused(requests)).To(BeEmpty(), "refused")
			Expect(surplus(rights, requests, testenv.SystemNamespace)).To(BeEmpty(), "surplus")
		},
		Entry("the manager's", testenv.ManagerServiceAccount),
		Entry("the facade's", facadeServiceAccount),
	)

	It("others had written what the manager was about to write, so that it read again", func() {
		Expect(told.rival.met()).To(And(HaveKey("EsimOperator"), HaveKey("EsimWallet")))
	})

	It("a right that is given and not used is found", func(ctx SpecContext) {
		meta := metav1.ObjectMeta{Name: "too-much"}
		Expect(k8s.Create(ctx, &rbacv1.ClusterRole{
			ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"deletecollection"}}},
		})).To(Succeed())
		Expect(k8s.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: testenv.SystemNamespace, Name: testenv.ManagerServiceAccount}},
		})).To(Succeed())
		rights, err := granted(ctx, k8s, testenv.SystemNamespace, testenv.ManagerServiceAccount)
		Expect(err).NotTo(HaveOccurred())
		requests, err := asked(testenv.ManagerServiceAccount)
		Expect(err).NotTo(HaveOccurred())
		Expect(surplus(rights, requests, testenv.SystemNamespace)).To(ContainElement("nothing took the right to deletecollection secrets in all namespaces"))
	})
})
