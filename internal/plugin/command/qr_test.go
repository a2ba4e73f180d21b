package command_test

import (
	"bytes"
	"encoding/base64"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/transport"
	"k8s.io/klog/v2"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/camera"
)

// counting counts requests for Secrets.
func counting(secrets *atomic.Int32) transport.WrapperFunc {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(request *http.Request) (*http.Response, error) {
			if strings.Contains(request.URL.Path, "/secrets") {
				secrets.Add(1)
			}
			return next.RoundTrip(request)
		})
	}
}

var _ = Describe("Showing a QR code", Ordered, func() {
	BeforeAll(func(ctx SpecContext) { deliveredOrder(ctx, "shown") })

	DescribeTable("asks first, and reads nothing after a no", func(ctx SpecContext, answer string) {
		var secrets atomic.Int32
		done := call{answer: answer, transport: counting(&secrets)}.run(ctx, buyer, "qr", "shown")
		Expect(done.err).To(MatchError("nothing was shown"))
		Expect(done.errOut).To(ContainSubstring("Whoever sees the QR code can install the eSIM of order shown in your place"))
		Expect(done.out).To(BeEmpty())
		Expect(secrets.Load()).To(BeZero())
	}, Entry(nil, "n\n"), Entry("return alone", "\n"), Entry("anything else", "maybe\n"))

	It("shows the code, and what can be typed, after a yes", func(ctx SpecContext) {
		done := call{answer: "y\n"}.run(ctx, buyer, "qr", "shown")
		Expect(done.err).NotTo(HaveOccurred())
		Expect(done.out).To(ContainSubstring("█"))
		Expect(done.out).To(MatchRegexp(`SM-DP\+ address +rsp\.example\.com`))
		Expect(done.out).To(ContainSubstring(matchingID))
		Expect(done.errOut).NotTo(ContainSubstring(matchingID))
	})

	It("takes nobody for a no, unless --yes is given", func(ctx SpecContext) {
		var secrets atomic.Int32
		done := call{transport: counting(&secrets)}.run(ctx, buyer, "qr", "shown")
		Expect(done.err).To(MatchError(ContainSubstring("give --yes")))
		Expect(secrets.Load()).To(BeZero())
		Expect(run(ctx, buyer, "qr", "shown", "--yes").err).NotTo(HaveOccurred())
	})

	It("saves a picture that its owner alone reads, and never over another file", func(ctx SpecContext) {
		file := filepath.Join(GinkgoT().TempDir(), "esim.png")
		done := run(ctx, buyer, "qr", "shown", "--yes", "-o", file)
		Expect(done.err).NotTo(HaveOccurred())
		Expect(done.out + done.errOut).NotTo(ContainSubstring(matchingID))
		info, err := os.Stat(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)))
		content, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		read, err := camera.ReadPNG(bytes.NewReader(content))
		Expect(err).NotTo(HaveOccurred())
		Expect(activation.NewCredential(read).Equal(activation.NewCredential(code))).To(BeTrue(), "the picture is not that of the code")

		again := run(ctx, buyer, "qr", "shown", "--yes", "-o", file)
		Expect(again.err).To(MatchError(os.ErrExist))
		Expect(os.ReadFile(file)).To(Equal(content))
	})

	It("has no code in any log, however much is logged", func(ctx SpecContext) {
		var logged bytes.Buffer
		var flags flag.FlagSet
		klog.InitFlags(&flags)
		Expect(flags.Set("logtostderr", "false")).To(Succeed())
		Expect(flags.Set("alsologtostderr", "false")).To(Succeed())
		Expect(flags.Set("stderrthreshold", "FATAL")).To(Succeed())
		klog.SetOutput(&logged)
		DeferCleanup(func() {
			klog.Flush()
			Expect(flags.Set("logtostderr", "true")).To(Succeed())
			Expect(flags.Set("v", "0")).To(Succeed())
		})
		Expect(run(ctx, buyer, "qr", "shown", "--yes", "-v=10").err).NotTo(HaveOccurred())
		klog.Flush()
		Expect(logged.String()).To(ContainSubstring("esimorders/shown"), "nothing was logged at all")
		for _, form := range []string{matchingID, base64.StdEncoding.EncodeToString([]byte(code)), base64.StdEncoding.EncodeToString([]byte(matchingID))} {
			Expect(strings.Contains(logged.String(), form)).To(BeFalse(), "the code is in the log")
		}
		// A protobuf that is logged is dumped in hexadecimal digits with its letters beside them.
		Expect(strings.Contains(logged.String(), matchingID[:8])).To(BeFalse(), "a part of the code is in the log")
	})

	It("says which right is missing to who may see orders and not codes", func(ctx SpecContext) {
		bind(ctx, "esimorders-view", "onlooker")
		done := run(ctx, kubeconfigOf("onlooker"), "qr", "shown", "--yes")
		Expect(done.err).To(MatchError(ContainSubstring("you lack the right to get secrets in namespace acme; have an administrator bind you the ClusterRole edit there")))
	})

	It("says why there is no code: not delivered, or installed already", func(ctx SpecContext) {
		placed(ctx, "codeless")
		Expect(run(ctx, buyer, "qr", "codeless", "--yes").err).To(MatchError(ContainSubstring("order codeless is PENDING, and has no QR code")))
		deliveredOrder(ctx, "codeless-installed")
		become(ctx, "codeless-installed", func(o *v1alpha1.EsimOrder) {
			o.Status.Activation = &v1alpha1.OrderActivation{Status: v1alpha1.ActivationActive, Installed: true, InstalledTime: &metav1.Time{Time: o.CreationTimestamp.Time}}
		})
		Expect(run(ctx, buyer, "qr", "codeless-installed", "--yes").err).To(MatchError(ContainSubstring("installed on a device")))
	})
})
