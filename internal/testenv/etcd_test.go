package testenv_test

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
})
