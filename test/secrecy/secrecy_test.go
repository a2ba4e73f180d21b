package secrecy

import (
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/internal/es2plus"
)

var _ = Describe("After all that can become of orders, with faults,", Ordered, func() {
	var (
		scraper string
		hunt    *hunter
		secrets []credential
		all     []place
		seen    []sighting
	)
	BeforeAll(func(ctx SpecContext) {
		register.keep(kindSecret, ownerMail, post.password)
		register.keep(kindSecret, ownerHooks, strings.TrimPrefix(hooks.secret, "whsec_"))
		register.keep(kindSecret, ownerURL, hooks.token)
		scraper = newScraper(ctx)
		deliver(ctx)
		end(ctx)
		live(ctx)
		overREST(ctx)
		tell(ctx)

		secrets = register.credentials()
		var err error
		hunt, err = newHunter(secrets)
		Expect(err).NotTo(HaveOccurred())
		all = allPlaces(ctx, scraper)
		seen = hunt.search(all...)
	}, NodeTimeout(5*time.Minute))

	It("credentials are only where they may be", func() {
		var wrong []string
		for _, s := range seen {
			if !s.allowed {
				wrong = append(wrong, s.String())
			}
		}
		Expect(wrong).To(BeEmpty(), "%d credentials were looked for in %d places", len(secrets), len(all))
	})

	It("each place was there to be searched, and what went wrong went wrong", func(ctx SpecContext) {
		for _, p := range all {
			Expect(p.content).NotTo(BeEmpty(), p.name)
		}
		content := func(name string) string {
			for _, p := range all {
				if p.name == name {
					return string(p.content)
				}
			}
			return ""
		}
		Expect(content("the manager's log")).To(ContainSubstring(`"level":"debug"`))
		Expect(content("the facade's log")).To(ContainSubstring("/qr.svg"))
		Expect(content("the SM-DP+ simulator's output")).To(ContainSubstring("ConfirmOrder"))
		Expect(content("the API server's audit log")).To(ContainSubstring("-activation"))
		Expect(content("the traces")).To(And(ContainSubstring(`"ConfirmOrder"`), ContainSubstring(`"e-mail"`), ContainSubstring(`"POST /auth/login"`)))
		Expect(content("the metrics of the manager")).To(ContainSubstring("esim_"))
		Expect(content("the metrics of the facade")).To(ContainSubstring("esim_rest_requests_total"))
		var events eventsv1.EventList
		Expect(k8s.List(ctx, &events)).To(Succeed())
		Expect(events.Items).NotTo(BeEmpty())
		for _, t := range slices.Concat(garbled(es2plus.ConfirmOrder), garbled(es2plus.CancelOrder)) {
			Expect(line.seen()).To(ContainElement(t.title()))
		}
		Expect(api.conflicts.Load()).To(BeNumerically(">", 5))
		Expect(api.quotes.Load()).To(BeNumerically(">", 5))
	})

	It("the search has found what there is to find", func() {
		found := map[string]int{}
		for _, s := range seen {
			for _, where := range []string{etcdPlace, "mail", "webhook request", "REST answer"} {
				if strings.HasPrefix(s.place, where) {
					found[where+" "+s.kind]++
				}
			}
		}
		Expect(found).To(HaveKeyWithValue(etcdPlace+" "+kindMatchingID, BeNumerically(">=", 25)), "in Secrets of orders")
		Expect(found).To(HaveKeyWithValue(etcdPlace+" "+kindSecret, BeNumerically(">=", 3)))
		Expect(found).To(HaveKeyWithValue("mail "+kindMatchingID, BeNumerically(">=", 25)))
		Expect(found).To(HaveKeyWithValue("REST answer "+kindMatchingID, BeNumerically(">=", 3)))
		Expect(found).To(HaveKeyWithValue("REST answer "+kindToken, 2))
		Expect(found).To(HaveKeyWithValue("REST answer "+kindRefresh, 2))
		Expect(found).To(HaveKeyWithValue("webhook request "+kindSecret, BeNumerically(">=", 25)), "the token in the url")
	})

	It("a credential that is planted in a ConfigMap and in the log is found in both", func(ctx SpecContext) {
		planted := secrets[len(secrets)-1]
		Expect(planted.kind).To(Equal(kindMatchingID))
		Expect(k8s.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: shop.Name, Name: "planted"},
			Data:       map[string]string{"code": "LPA:1$rsp.example.com$" + planted.text},
		})).To(Succeed())
		ctrl.Log.V(1).Info("Planted", "code", planted.text)
		ctrl.Log.Info("Done")
		var where []string
		for _, s := range hunt.search(allPlaces(ctx, scraper)...) {
			if !s.allowed && s.owner == planted.owner {
				where = append(where, s.place)
			}
		}
		Expect(where).To(ContainElements(etcdPlace+"/registry/configmaps/"+shop.Name+"/planted", "the manager's log"))
	})
})
