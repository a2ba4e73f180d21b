package testenv_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	esimv1alpha1 "github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testenv"
)

var _ = Describe("The keys of etcd", func() {
	It("are all read, over several pages, with what they hold now", func(ctx context.Context) {
		const many = 600
		for i := range many {
			kept := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("kept-%d", i)}}
			Expect(env.Client.Create(ctx, kept)).To(Succeed())
		}
		changed := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kept-0"}, Data: map[string]string{"it": "is new"}}
		Expect(env.Client.Update(ctx, changed)).To(Succeed())

		entries, err := env.EtcdEntries(ctx)
		Expect(err).NotTo(HaveOccurred())
		found := map[string]string{}
		for _, entry := range entries {
			if strings.HasPrefix(entry.Key, "/registry/configmaps/default/kept-") {
				Expect(found).NotTo(HaveKey(entry.Key), "a key was read twice")
				found[entry.Key] = string(entry.Value)
			}
		}
		Expect(found).To(HaveLen(many))
		Expect(found["/registry/configmaps/default/kept-0"]).To(ContainSubstring("is new"))
		Expect(env.AuditLog()).To(ContainSubstring("kept-599"))
	})

	It("are written past the API server, which serves them", func(ctx context.Context) {
		const many = 300
		kept := &esimv1alpha1.EsimProduct{
			ObjectMeta: metav1.ObjectMeta{Name: "loaded-0"},
			Spec:       esimv1alpha1.EsimProductSpec{DisplayName: "Japan", CountryCode: "JPN", Currency: "USD"},
		}
		Expect(env.Client.Create(ctx, kept)).To(Succeed())
		entries, err := env.EtcdEntries(ctx)
		Expect(err).NotTo(HaveOccurred())
		at := slices.IndexFunc(entries, func(entry testenv.EtcdEntry) bool { return strings.HasSuffix(entry.Key, "/esimproducts/loaded-0") })
		Expect(at).To(BeNumerically(">=", 0))
		var loaded []testenv.EtcdEntry
		for i := range many {
			name := fmt.Sprintf("loaded-%d", i)
			loaded = append(loaded, testenv.EtcdEntry{
				Key:   strings.ReplaceAll(entries[at].Key, "loaded-0", name),
				Value: []byte(strings.ReplaceAll(string(entries[at].Value), "loaded-0", name)),
			})
		}
		Expect(env.LoadEtcd(ctx, loaded)).To(Succeed())
		Eventually(func(g Gomega) {
			var products esimv1alpha1.EsimProductList
			g.Expect(env.Client.List(ctx, &products)).To(Succeed())
			g.Expect(products.Items).To(HaveLen(many))
		}).Should(Succeed())
	})
})
