package config_test

import (
	"context"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/telcodev/esim-operator/internal/testenv"
)

var _ = Describe("The roles of the REST API", func() {
	It("let a client who only looks on see no activation code, and change nothing", func(ctx context.Context) {
		may := permissions(clusterRole(ctx, "rbac", "esim-client-readonly"))
		Expect(may).To(ConsistOf(
			"get esimproducts", "list esimproducts", "get esimwallets", "list esimwallets", "get esimorders", "list esimorders"))
		Expect(permissions(clusterRole(ctx, "rbac", "esim-client"))).To(ContainElements(may))
	})

	It("let no client set prices, pay in, or read a Secret", func(ctx context.Context) {
		Expect(permissions(clusterRole(ctx, "rbac", "esim-client"))).To(ConsistOf(
			"get esimproducts", "list esimproducts", "get esimwallets", "list esimwallets",
			"create esimorders", "get esimorders", "list esimorders", "patch esimorders",
			"get esimorders/activationcode", "delete esimclients/sessions"))
	})

	It("let the facade read Secrets and make tokens nowhere but where a client's namespace says so", func(ctx context.Context) {
		for _, right := range permissions(clusterRole(ctx, "facade", "esim-facade")) {
			Expect(right).To(Or(
				MatchRegexp(`^(get|list|watch) esim(clients|operators|orders|products|wallets)$`),
				Equal("create tokenreviews"), Equal("create subjectaccessreviews")))
		}
		bound := ofKind[rbacv1.ClusterRoleBinding](rendered(ctx, "facade"), "ClusterRoleBinding")
		Expect(bound).To(HaveLen(1))
		Expect(bound[0].RoleRef.Name).To(Equal("esim-facade"))
	})

	It("let the facade make tokens of one ServiceAccount only", func(ctx context.Context) {
		limited := 0
		for _, rule := range clusterRole(ctx, "facade", "esim-facade-client").Rules {
			if slices.Contains(rule.Resources, "serviceaccounts/token") {
				Expect(rule.ResourceNames).To(ConsistOf("esim-api"))
				limited++
			}
		}
		Expect(limited).To(Equal(1))
	})

	It("are bound in the sample client's namespace to its ServiceAccount and to the facade", func(ctx context.Context) {
		objects := rendered(ctx, "samples")
		accounts := ofKind[corev1.ServiceAccount](objects, "ServiceAccount")
		Expect(accounts).To(HaveLen(1))
		facade := ofKind[corev1.ServiceAccount](rendered(ctx, "facade"), "ServiceAccount")
		Expect(facade).To(HaveLen(1))
		Expect(facade[0].Namespace).To(Equal(testenv.SystemNamespace))
		subjects := map[string]string{}
		for _, binding := range ofKind[rbacv1.RoleBinding](objects, "RoleBinding") {
			Expect(binding.Namespace).To(Equal(accounts[0].Namespace))
			Expect(binding.Subjects).To(HaveLen(1))
			subjects[binding.RoleRef.Name] = binding.Subjects[0].Namespace + "/" + binding.Subjects[0].Name
		}
		Expect(subjects).To(Equal(map[string]string{
			"esim-client":        accounts[0].Namespace + "/" + accounts[0].Name,
			"esim-facade-client": facade[0].Namespace + "/" + facade[0].Name,
		}))
	})
})

func clusterRole(ctx context.Context, folder, name string) rbacv1.ClusterRole {
	GinkgoHelper()
	for _, role := range ofKind[rbacv1.ClusterRole](rendered(ctx, folder), "ClusterRole") {
		if role.Name == name {
			return role
		}
	}
	Fail("config/" + folder + " has no ClusterRole " + name)
	return rbacv1.ClusterRole{}
}

// permissions are the rights of a role, as "verb resource".
func permissions(role rbacv1.ClusterRole) []string {
	var all []string
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				all = append(all, verb+" "+resource)
			}
		}
	}
	return all
}
