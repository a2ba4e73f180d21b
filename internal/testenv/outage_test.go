package testenv_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/internal/testenv"
)

var _ = Describe("A control plane that fails", func() {
	It("is there again with all that it held, etcd and kube-apiserver alike, and takes writes again once a full etcd is freed", func(ctx context.Context) {
		const quota = 16 << 20
		other, err := testenv.Start(ctx, testenv.Options{EtcdQuota: quota})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { Expect(other.Stop()).To(Succeed()) })
		config := func(n int) *corev1.ConfigMap {
			return &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("large-%d", n)},
				Data:       map[string]string{"much": strings.Repeat("x", 900_000)},
			}
		}
		kept := config(0)
		Expect(other.Client.Create(ctx, kept)).To(Succeed())

		for _, part := range []testenv.Part{testenv.APIServer, testenv.Etcd} {
			Expect(other.End(ctx, part, syscall.SIGKILL)).To(Succeed())
			short, cancel := context.WithTimeout(ctx, time.Second)
			Expect(other.Client.Get(short, objectKey(kept), &corev1.ConfigMap{})).NotTo(Succeed(), "while %s is away", part)
			cancel()
			Expect(other.Resume(ctx, part)).To(Succeed())
			Eventually(other.Client.Get).WithArguments(ctx, objectKey(kept), &corev1.ConfigMap{}).WithTimeout(time.Minute).Should(Succeed())
		}

		Expect(other.EtcdOutOfSpace(ctx)).To(BeFalse())
		n := 0
		Eventually(func() error { n++; return other.Client.Create(ctx, config(n)) }).
			WithTimeout(time.Minute).WithPolling(time.Millisecond).ShouldNot(Succeed())
		Expect(other.EtcdOutOfSpace(ctx)).To(BeTrue())
		for i := 1; i < n; i++ {
			Expect(other.Client.Delete(ctx, config(i))).To(Succeed())
		}
		Expect(other.FreeEtcd(ctx)).To(Succeed())
		Expect(other.EtcdOutOfSpace(ctx)).To(BeFalse())
		// The one that was refused may be there all the same.
		Eventually(func() error { n++; return other.Client.Create(ctx, config(n)) }).WithTimeout(time.Minute).Should(Succeed())
	}, NodeTimeout(3*time.Minute))
})
