package command_test

import (
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/plugin/doctor"
	"github.com/telcodev/esim-operator/internal/testenv"
)

var _ = Describe("Looking after an installation", Ordered, func() {
	BeforeAll(func(ctx SpecContext) {
		operator := &v1alpha1.EsimOperator{
			ObjectMeta: metav1.ObjectMeta{Name: "telco-one"},
			Spec:       v1alpha1.EsimOperatorSpec{Zendit: &v1alpha1.ResellerDriver{CredentialsSecretRef: v1alpha1.SecretReference{Name: "zendit"}}},
		}
		Expect(k8s.Create(ctx, operator)).To(Succeed())
		operator.Status.Conditions = ready(metav1.ConditionFalse, v1alpha1.OperatorReasonAuthFailed, "the operator refuses our key")
		Expect(manager.Status().Update(ctx, operator)).To(Succeed())
		Expect(k8s.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: "esim-operator-controllers"},
			Spec: coordinationv1.LeaseSpec{
				HolderIdentity: ptr.To("manager-0"), LeaseDurationSeconds: ptr.To(int32(3600)), RenewTime: ptr.To(metav1.NowMicro()),
			},
		})).To(Succeed())
	})

	It("shows how each operator is, and what to do about one that is not well", func(ctx SpecContext) {
		done := run(ctx, administrator, "operators")
		Expect(done.err).NotTo(HaveOccurred())
		Expect(done.out).To(MatchRegexp(`(?m)^telco-one +Zendit +AuthFailed +\d+s +- +-$`))
		Expect(done.out).To(ContainSubstring("EsimOperator telco-one: AuthFailed: the operator refuses our key\n  renew the credentials in its Secret"))
		Expect(run(ctx, buyer, "operators").err).To(MatchError(ContainSubstring("the ClusterRole esim-platform with a ClusterRoleBinding")))
	})

	It("finds a real installation in order, but for what is wrong with it", func(ctx SpecContext) {
		done := run(ctx, administrator, "doctor", "-o", "json")
		Expect(done.err).To(MatchError(MatchRegexp(`\d+ of \d+ things do not work`)))
		var findings []doctor.Finding
		Expect(json.Unmarshal([]byte(done.out), &findings)).To(Succeed())
		levels := map[string]doctor.Level{}
		for _, finding := range findings {
			if before := levels[finding.Check]; before != doctor.Fail && (before != doctor.Warn || finding.Level == doctor.Fail) {
				levels[finding.Check] = finding.Level
			}
			if finding.Level == doctor.OK {
				Expect(finding.Remedy).To(BeEmpty(), "%+v", finding)
			} else {
				Expect(finding.Remedy).NotTo(BeEmpty(), "%+v", finding)
			}
		}
		for _, well := range []string{"server", "crds", "policies", "rights", "manager"} {
			Expect(levels).To(HaveKeyWithValue(well, doctor.OK), "%s: %s", well, done.out)
		}
		Expect(levels).To(HaveKeyWithValue("operators", doctor.Fail))
		Expect(levels).To(HaveKeyWithValue("certificates", doctor.Fail), "the Secret is not there")
	})

	It("prints each finding with its remedy, and says what may not be read", func(ctx SpecContext) {
		done := run(ctx, stranger, "doctor")
		Expect(done.out).To(MatchRegexp(`(?m)^warn +rights +ServiceAccount esim-system/esim-operator-controllers: could not look at .* you lack the right to create subjectaccessreviews`))
		Expect(done.out).To(ContainSubstring("-> have an administrator run this, or give you the right"))
		Expect(done.out).To(MatchRegexp(`(?m)^ok +server +2 things are well$`))
	})
})
