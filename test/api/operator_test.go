package api_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const goodOperator = `
apiVersion: esim.telco.dev/v1alpha1
kind: EsimOperator
metadata: {name: telco-one}
spec:
  es2plus:
    url: https://es2plus.example.com:8443
    functionRequesterIdentifier: OPERATOR-1
    tlsSecretRef: {name: telco-one-tls}
`

const (
	saysOneDriver   = `set exactly one driver: es2plus, zendit, esimAccess or airalo`
	saysBaseURL     = `must be https://host or https://host:port, without a path: the ES2+ paths are added`
	saysResellerURL = `must be an https URL without user, query or fragment, such as https://api.example.com/v1`
	saysSecretName  = `must be the name of a Secret: lower-case letters, digits, dashes and dots, such as telco-one-tls`
	saysHost        = `must be a host name such as rsp.example.com`
	saysRequester   = `must be printable ASCII without spaces: the name that the SM-DP+ gave us, such as OPERATOR-1`
	saysVersion     = `must be major.minor.revision, such as 2.2.0`
	saysTimeout     = `must be a duration between 1s and 2m, such as 30s or 1m30s`
	saysFailover    = `must be a duration of at least 1s in hours, minutes and seconds, such as 2m`
	saysSettled     = `must be a duration of at least 1s in hours, minutes and seconds, such as 10m`
	saysInterval    = `must be a duration of at least 1m in hours, minutes and seconds, such as 6h`
	saysMarkup      = `must be a number in quotes from 0 to 9999 with at most 2 decimals, such as "30" or "12.5"`
	saysSameKind    = `cannot become another kind of operator: what orders hold there would be lost; make another EsimOperator`
	saysRefresh     = `must be a duration between 1s and 24h, such as 10s or 5m`
	saysPinned      = `pin the sender's certificate: set sans (a DNS name or URI in it), or fingerprints (its SHA-256)`
	saysFingerprint = `must be a SHA-256 in hexadecimal digits, with or without colons, as openssl x509 -fingerprint -sha256 prints it`
	saysGenuine     = `say by what the wholesaler is known: set headerName (a header of your choice), hmac (where it signs), or sourceCIDRs (its networks)`
	saysBoth        = `headerName and headerSecretRef belong together: set both or neither`
	saysHeader      = `must be the name of a header that the wholesaler sets, of letters, digits and dashes, such as X-Webhook-Secret`
	saysNoWebhook   = `webhooks are taken from zendit and esimAccess only: leave airalo.webhook out`
	saysGiveUp      = `must be a duration longer than 0s in hours, minutes and seconds, such as 72h or 1h30m`
)

var refusedOperators = []refusal{
	{
		of:     "notifications from anybody whom the CA knows",
		change: `spec: {es2plus: {notifications: {caSecretRef: {name: telco-one-ca}}}}`,
		says:   []string{`spec.es2plus.notifications.sans: Invalid value: ` + saysPinned},
	}, {
		of:     "a fingerprint that is no SHA-256",
		change: `spec: {es2plus: {notifications: {caSecretRef: {name: telco-one-ca}, fingerprints: ["AB:CD"]}}}`,
		says:   []string{`spec.es2plus.notifications.fingerprints[0]: Invalid value: "AB:CD": ` + saysFingerprint},
	}, {
		of:     "notifications without a CA",
		change: `spec: {es2plus: {notifications: {sans: [rsp.example.com]}}}`,
		says:   []string{`spec.es2plus.notifications.caSecretRef: Required value`},
	}, {
		of:     "a notification point that means what there is not",
		change: `spec: {es2plus: {notifications: {caSecretRef: {name: telco-one-ca}, sans: [rsp.example.com], points: [{id: 6, means: Enabled}]}}}`,
		says:   []string{`spec.es2plus.notifications.points[0].means: Unsupported value: "Enabled": supported values: "Installed", "Used", "Deleted", "Nothing"`},
	}, {
		of:     "webhooks from anybody",
		change: `spec: {es2plus: null, zendit: {credentialsSecretRef: {name: zendit}, webhook: {}}}`,
		says:   []string{`spec.zendit.webhook.headerName: Invalid value: ` + saysGenuine},
	}, {
		of:     "webhooks with a header of any value",
		change: `spec: {es2plus: null, zendit: {credentialsSecretRef: {name: zendit}, webhook: {headerName: X-Key}}}`,
		says:   []string{`spec.zendit.webhook.headerSecretRef: Invalid value: ` + saysBoth},
	}, {
		of:     "an account with a space",
		change: `spec: {es2plus: null, zendit: {credentialsSecretRef: {name: zendit}, account: "our own"}}`,
		says:   []string{`spec.zendit.account: Invalid value: "our own": must be printable ASCII without spaces, such as main or EU-2`},
	}, {
		of: "webhooks that are known by what proxies set",
		change: `spec: {es2plus: null, zendit: {credentialsSecretRef: {name: zendit},
			webhook: {headerName: X-Forwarded-For, headerSecretRef: {name: zendit}}}}`,
		says: []string{`spec.zendit.webhook.headerName: Invalid value: "X-Forwarded-For": ` + saysHeader},
	}, {
		of: "webhooks that are signed in a header that none can have",
		change: `spec: {es2plus: null, esimAccess: {credentialsSecretRef: {name: access},
			webhook: {hmac: {headerName: "X Signature", secretRef: {name: access}}}}}`,
		says: []string{`spec.esimAccess.webhook.hmac.headerName: Invalid value: "X Signature": ` + saysHeader},
	}, {
		of: "webhooks that are signed with a hash that is broken",
		change: `spec: {es2plus: null, esimAccess: {credentialsSecretRef: {name: access},
			webhook: {hmac: {headerName: X-Signature, algorithm: MD5, secretRef: {name: access}}}}}`,
		says: []string{`spec.esimAccess.webhook.hmac.algorithm: Unsupported value: "MD5": supported values: "SHA256", "SHA512"`},
	}, {
		of: "webhooks from what is no network",
		change: `spec: {es2plus: null, esimAccess: {credentialsSecretRef: {name: access},
			webhook: {sourceCIDRs: [203.0.113.7]}}}`,
		says: []string{`spec.esimAccess.webhook.sourceCIDRs[0]: Invalid value: "203.0.113.7": ` + saysCIDR},
	}, {
		of: "webhooks of a wholesaler of which none are taken",
		change: `spec: {es2plus: null, airalo: {credentialsSecretRef: {name: airalo},
			webhook: {sourceCIDRs: [203.0.113.0/24]}}}`,
		says: []string{`spec.airalo: Invalid value: ` + saysNoWebhook},
	}, {
		of:     "a list that is read all the time",
		change: `spec: {catalogue: {currency: USD, interval: 1s}}`,
		says:   []string{`spec.catalogue.interval: Invalid value: "1s": ` + saysInterval},
	}, {
		of:     "a markup that is no number",
		change: `spec: {catalogue: {currency: USD, markupPercent: "30%"}}`,
		says:   []string{`spec.catalogue.markupPercent: Invalid value: "30%": ` + saysMarkup},
	}, {
		of:     "a list of what is no country, in what is no currency",
		change: `spec: {catalogue: {currency: EUX, countries: [jpn]}}`,
		says: []string{
			`spec.catalogue.countries[0]: Invalid value: "jpn": ` + saysCountry,
			`spec.catalogue.currency: Invalid value: "EUX": ` + saysCurrency,
		},
	}, {
		of:     "a list in no currency",
		change: `spec: {catalogue: {markupPercent: "30"}}`,
		says:   []string{`spec.catalogue.currency: Required value`},
	}, {
		of:     "a fail-over at once",
		change: `spec: {recovery: {failoverAfter: 0s}}`,
		says:   []string{`spec.recovery.failoverAfter: Invalid value: "0s": ` + saysFailover},
	}, {
		of:     "lists that show orders at once",
		change: `spec: {recovery: {settleAfter: 0s}}`,
		says:   []string{`spec.recovery.settleAfter: Invalid value: "0s": ` + saysSettled},
	}, {
		of:     "a refresh more often than every second",
		change: `spec: {refreshInterval: 100ms}`,
		says:   []string{`spec.refreshInterval: Invalid value: "100ms": ` + saysRefresh},
	}, {
		of:     "no driver",
		change: `spec: {es2plus: null}`,
		says:   []string{`spec: Invalid value: ` + saysOneDriver},
	}, {
		of:     "two drivers",
		change: `spec: {zendit: {credentialsSecretRef: {name: zendit}}}`,
		says:   []string{`spec: Invalid value: ` + saysOneDriver},
	}, {
		of:     "a driver that there is not",
		change: `spec: {es2plus: null, acme: {}}`,
		says: []string{`EsimOperator in version "v1alpha1" cannot be handled as a EsimOperator: ` +
			`strict decoding error: unknown field "spec.acme"`},
	}, {
		of:     "a url with the ES2+ path",
		change: `spec: {es2plus: {url: "https://es2plus.example.com/gsma/rsp2/es2plus"}}`,
		says:   []string{`spec.es2plus.url: Invalid value: "https://es2plus.example.com/gsma/rsp2/es2plus": ` + saysBaseURL},
	}, {
		of:     "a url without TLS",
		change: `spec: {es2plus: {url: "http://es2plus.example.com"}}`,
		says:   []string{`spec.es2plus.url: Invalid value: "http://es2plus.example.com": ` + saysBaseURL},
	}, {
		of:     "a url with a password",
		change: `spec: {es2plus: {url: "https://ann:secret@es2plus.example.com"}}`,
		says:   []string{`spec.es2plus.url: Invalid value: "https://ann:secret@es2plus.example.com": ` + saysBaseURL},
	}, {
		of:     "a url without a host",
		change: `spec: {es2plus: {url: "https://:8443"}}`,
		says:   []string{`spec.es2plus.url: Invalid value: "https://:8443": ` + saysBaseURL},
	}, {
		of:     "an empty requester identifier",
		change: `spec: {es2plus: {functionRequesterIdentifier: ""}}`,
		says:   []string{`spec.es2plus.functionRequesterIdentifier: Invalid value: "": ` + saysRequester},
	}, {
		of:     "no client certificate",
		change: `spec: {es2plus: {tlsSecretRef: null}}`,
		says:   []string{`spec.es2plus.tlsSecretRef: Required value`},
	}, {
		of:     "a client certificate in a Secret whose name none can have",
		change: `spec: {es2plus: {tlsSecretRef: {name: esim-system/telco-one-tls}}}`,
		says:   []string{`spec.es2plus.tlsSecretRef.name: Invalid value: "esim-system/telco-one-tls": ` + saysSecretName},
	}, {
		of:     "a server name with a port",
		change: `spec: {es2plus: {serverName: "es2plus.example.com:8443"}}`,
		says:   []string{`spec.es2plus.serverName: Invalid value: "es2plus.example.com:8443": ` + saysHost},
	}, {
		of:     "an SM-DP+ address that is a URL",
		change: `spec: {es2plus: {smdpAddress: "https://rsp.example.com"}}`,
		says:   []string{`spec.es2plus.smdpAddress: Invalid value: "https://rsp.example.com": ` + saysHost},
	}, {
		of:     "an SM-DP+ address that would end the field of the activation code",
		change: `spec: {es2plus: {smdpAddress: "rsp.example.com$X"}}`,
		says:   []string{`spec.es2plus.smdpAddress: Invalid value: "rsp.example.com$X": ` + saysHost},
	}, {
		of:     "a protocol version of two numbers",
		change: `spec: {es2plus: {protocolVersion: "2.2"}}`,
		says:   []string{`spec.es2plus.protocolVersion: Invalid value: "2.2": ` + saysVersion},
	}, {
		of:     "a reseller's url without TLS",
		change: `spec: {es2plus: null, airalo: {url: "http://api.example.com", credentialsSecretRef: {name: airalo}}}`,
		says:   []string{`spec.airalo.url: Invalid value: "http://api.example.com": ` + saysResellerURL},
	}, {
		of:     "a reseller without credentials",
		change: `spec: {es2plus: null, esimAccess: {}}`,
		says:   []string{`spec.esimAccess.credentialsSecretRef: Required value`},
	}, {
		of:     "a timeout of less than a second",
		change: `spec: {timeout: 999ms}`,
		says:   []string{`spec.timeout: Invalid value: "999ms": ` + saysTimeout},
	}, {
		of:     "a timeout of more than two minutes",
		change: `spec: {timeout: 2m1s}`,
		says:   []string{`spec.timeout: Invalid value: "2m1s": ` + saysTimeout},
	}, {
		of:     "a timeout that is a number",
		change: `spec: {timeout: 30}`,
		says:   []string{`spec.timeout: Invalid value: "integer": spec.timeout in body must be of type string: "integer"`},
	}, {
		of:     "a timeout without a unit",
		change: `spec: {timeout: "30"}`,
		says:   []string{`spec.timeout: Invalid value: "30": ` + saysTimeout},
	}, {
		of:     "giving up at once",
		change: `spec: {recovery: {giveUpAfter: 0s}}`,
		says:   []string{`spec.recovery.giveUpAfter: Invalid value: "0s": ` + saysGiveUp},
	}, {
		of:     "giving up before the start",
		change: `spec: {recovery: {giveUpAfter: -72h}}`,
		says:   []string{`spec.recovery.giveUpAfter: Invalid value: "-72h": ` + saysGiveUp},
	}, {
		of:     "giving up after days, which no duration has",
		change: `spec: {recovery: {giveUpAfter: 3d}}`,
		says:   []string{`spec.recovery.giveUpAfter: Invalid value: "3d": ` + saysGiveUp},
	}, {
		of:     "no order in flight",
		change: `spec: {limits: {inFlight: 0}}`,
		says: []string{`spec.limits.inFlight: Invalid value: 0: ` +
			`spec.limits.inFlight in body should be greater than or equal to 1`},
	}, {
		of:     "more orders in flight than there may be",
		change: `spec: {limits: {inFlight: 501}}`,
		says: []string{`spec.limits.inFlight: Invalid value: 501: ` +
			`spec.limits.inFlight in body should be less than or equal to 500`},
	}, {
		of:     "no request at all",
		change: `spec: {limits: {requestsPerSecond: 0}}`,
		says: []string{`spec.limits.requestsPerSecond: Invalid value: 0: ` +
			`spec.limits.requestsPerSecond in body should be greater than or equal to 1`},
	}, {
		of:     "a name for people with a line break",
		change: `spec: {displayName: "Telco\nOne"}`,
		says:   []string{`spec.displayName: Invalid value: "Telco\nOne": ` + saysOneLine},
	},
}

var refusedOperatorChanges = []refusedChange{{refusal: refusal{
	of:     "another kind of operator",
	change: `spec: {es2plus: null, zendit: {credentialsSecretRef: {name: zendit}}}`,
	says:   []string{`spec: Invalid value: ` + saysSameKind},
}}}

var _ = Describe("An operator that is there already", func() {
	for _, refused := range refusedOperatorChanges {
		It("refuses "+refused.of, func(ctx context.Context) {
			operator := place(ctx, goodOperator, refused.from)
			DeferCleanup(func(ctx context.Context) error { return k8s.Delete(ctx, operator) })
			Expect(edit(ctx, operator, refused.change)).To(beRefusedSaying(refused.says...))
		})
	}
})

var _ = Describe("An operator's manifest", func() {
	for _, refused := range refusedOperators {
		It("is refused for "+refused.of, func(ctx context.Context) {
			Expect(create(ctx, manifest(goodOperator, refused.change))).To(beRefusedSaying(refused.says...))
		})
	}

	DescribeTable("is accepted", func(ctx context.Context, change string) {
		Expect(create(ctx, manifest(goodOperator, change))).To(Succeed())
	},
		Entry("as it stands", `{}`),
		Entry("with a url that ends with a slash", `spec: {es2plus: {url: "https://es2plus.example.com/"}}`),
		Entry("with an IPv6 address", `spec: {es2plus: {url: "https://[2001:db8::1]:8443"}}`),
		Entry("with the shortest timeout", `spec: {timeout: 1s}`),
		Entry("with the longest timeout", `spec: {timeout: 2m}`),
		Entry("with a timeout of several parts", `spec: {timeout: 1m0.5s}`),
		Entry("with a year of recovery", `spec: {recovery: {giveUpAfter: 8760h}}`),
		Entry("with a reseller", `spec: {es2plus: null, zendit: {credentialsSecretRef: {name: zendit}}}`),
		Entry("with a reseller's sandbox", `spec: {es2plus: null,
			airalo: {url: "https://sandbox.example.com/v2", credentialsSecretRef: {name: airalo}}}`),
		Entry("with a reseller's webhooks, known by a header", `spec: {es2plus: null, zendit: {credentialsSecretRef: {name: zendit},
			webhook: {headerName: X-Webhook-Secret, headerSecretRef: {name: zendit}}}}`),
		Entry("with a reseller's webhooks, known by their networks and signature", `spec: {es2plus: null,
			esimAccess: {credentialsSecretRef: {name: access}, webhook: {sourceCIDRs: [203.0.113.0/24, "2001:db8::/32"],
			hmac: {headerName: X-Signature, secretRef: {name: access}, algorithm: SHA512}}}}`),
	)

	It("gets its defaults", func(ctx context.Context) {
		operator := manifest(goodOperator)
		Expect(create(ctx, operator)).To(Succeed())
		for value, path := range map[any][]string{
			int64(100): {"limits", "requestsPerSecond"},
			int64(50):  {"limits", "inFlight"},
			"30s":      {"timeout"},
			"72h":      {"recovery", "giveUpAfter"},
			"2.2.0":    {"es2plus", "protocolVersion"},
		} {
			got, _, err := unstructured.NestedFieldNoCopy(operator.Object, append([]string{"spec"}, path...)...)
			Expect(err).NotTo(HaveOccurred())
			Expect(got).To(Equal(value), "%v", path)
		}
	})
})
