package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators/airalo"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess"
	"github.com/telcodev/esim-operator/internal/operators/zendit"
	"github.com/telcodev/esim-operator/internal/plugin/refusal"
)

// expirySoon is how long before its end a certificate should be replaced.
const expirySoon = 30 * 24 * time.Hour

// servingSecrets are the Secrets of our own servers' certificates, where no Deployment tells of
// others. They are optional.
var servingSecrets = []string{"esim-operator-notifications-tls", "esim-operator-vendor-webhooks-tls"}

// credentials is a Secret that something needs, and what has to be in it.
type credentials struct {
	// object needs it.
	object string
	secret string
	// keys that it must have, beside those of a certificate.
	keys []string
	// pair and authorities tell that it holds tls.crt with tls.key, and ca.crt.
	pair, authorities bool
	// optional tells that it may be missing.
	optional bool
}

// checkCertificates looks at operators' credentials, and at when certificates end.
func checkCertificates(ctx context.Context, i *Installation) []Finding {
	var list v1alpha1.EsimOperatorList
	if err := i.Client.List(ctx, &list); err != nil {
		return []Finding{unread(err, "EsimOperators", listing("esimoperators"))}
	}
	var needed []credentials
	for at := range list.Items {
		needed = append(needed, needs(&list.Items[at])...)
	}
	deployed, unlisted := i.ours(ctx, "our own certificates")
	needed = append(needed, ofServers(deployed)...)
	var findings []Finding
	if unlisted != nil {
		findings = append(findings, *unlisted)
	}
	for _, c := range needed {
		findings = append(findings, i.examine(ctx, c)...)
	}
	return findings
}

// told is where the keys of the Secret are told.
func (c credentials) told() string {
	if c.pair && !c.authorities {
		return "it takes tls.crt and tls.key"
	}
	return "kubectl explain esimoperator.spec tells its keys"
}

// needs are the Secrets that an operator names.
func needs(o *v1alpha1.EsimOperator) []credentials {
	object := "EsimOperator " + o.Name
	reseller := func(driver *v1alpha1.ResellerDriver, keys ...string) []credentials {
		return []credentials{{object: object, secret: driver.CredentialsSecretRef.Name, keys: keys}}
	}
	switch spec := o.Spec; {
	case spec.ES2Plus != nil:
		all := []credentials{{object: object, secret: spec.ES2Plus.TLSSecretRef.Name, pair: true, authorities: true}}
		if reports := spec.ES2Plus.Notifications; reports != nil {
			all = append(all, credentials{object: object, secret: reports.CASecretRef.Name, authorities: true})
		}
		return all
	case spec.Zendit != nil:
		return reseller(spec.Zendit, zendit.KeyAPIKey)
	case spec.EsimAccess != nil:
		return reseller(spec.EsimAccess, esimaccess.AccessCodeKey)
	case spec.Airalo != nil:
		return reseller(spec.Airalo, airalo.KeyClientID, airalo.KeyClientSecret)
	}
	return nil
}

// ofServers are the Secrets that our servers have their certificates from, as their Deployments
// mount them.
func ofServers(deployed []appsv1.Deployment) []credentials {
	names := map[string]bool{} // whether the Secret may be missing
	for at := range deployed {
		for _, volume := range deployed[at].Spec.Template.Spec.Volumes {
			if volume.Secret != nil && (volume.Name == "tls" || strings.HasSuffix(volume.Name, "-tls")) {
				names[volume.Secret.SecretName] = ptr.Deref(volume.Secret.Optional, false)
			}
		}
	}
	if len(deployed) == 0 {
		for _, name := range servingSecrets {
			names[name] = true
		}
	}
	var needed []credentials
	for _, name := range slices.Sorted(maps.Keys(names)) {
		needed = append(needed, credentials{object: "Secret " + name, secret: name, pair: true, optional: names[name]})
	}
	return needed
}

// examine reads a Secret. What is in it is in no finding, but for the dates of certificates.
func (i *Installation) examine(ctx context.Context, c credentials) []Finding {
	where := fmt.Sprintf("Secret %s of namespace %s", c.secret, i.Namespace)
	var secret corev1.Secret
	err := i.Client.Get(ctx, client.ObjectKey{Namespace: i.Namespace, Name: c.secret}, &secret)
	switch {
	case absent(err) && c.optional:
		return nil
	case absent(err):
		return []Finding{fail(c.object, where+" is not there", "create it; "+c.told())}
	case err != nil:
		return []Finding{unread(err, c.object, refusal.Call{Verb: "get", Resource: "secrets", Namespace: i.Namespace, Name: c.secret})}
	}
	for _, key := range c.keys {
		if len(secret.Data[key]) == 0 {
			return []Finding{fail(c.object, where+" lacks "+key, "put it in; it is taken at once, without a restart")}
		}
	}
	var findings []Finding
	if c.pair {
		findings = append(findings, ofPair(c.object, where, &secret, i.Now()))
	}
	if c.authorities {
		findings = append(findings, ofAuthorities(c.object, where, secret.Data[corev1.ServiceAccountRootCAKey], i.Now()))
	}
	if len(findings) == 0 {
		findings = append(findings, ok(c.object, where+" has what it needs"))
	}
	return findings
}

// ofPair looks at a certificate with its key.
func ofPair(object, where string, secret *corev1.Secret, now time.Time) Finding {
	const remedy = "replace tls.crt and tls.key by a pair that belongs together; it is taken at once, without a restart"
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return fail(object, "tls.crt and tls.key of "+where+" are no certificate with its key", remedy) // the error may quote them
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return fail(object, "tls.crt of "+where+" is no certificate", remedy)
	}
	return ofDates(object, "the certificate in "+where, leaf.NotBefore, leaf.NotAfter, now)
}

// ofAuthorities looks at the certificates that others are checked by: the one that lasts longest
// counts, as an old one may stay beside a new one.
func ofAuthorities(object, where string, bundle []byte, now time.Time) Finding {
	var longest *x509.Certificate
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err == nil && (longest == nil || certificate.NotAfter.After(longest.NotAfter)) {
			longest = certificate
		}
	}
	if longest == nil {
		return fail(object, "ca.crt of "+where+" holds no certificate", "put in the certificate of the CA that the other side's is from")
	}
	return ofDates(object, "the CA in "+where, longest.NotBefore, longest.NotAfter, now)
}

func ofDates(object, what string, from, until, now time.Time) Finding {
	const day = "2 January 2006"
	const remedy = "replace it; it is taken at once, without a restart"
	switch {
	case now.Before(from):
		return fail(object, fmt.Sprintf("%s is not valid before %s", what, from.UTC().Format(day)), "wait, or have it issued anew")
	case !now.Before(until):
		return fail(object, fmt.Sprintf("%s expired on %s", what, until.UTC().Format(day)), remedy)
	case until.Sub(now) < expirySoon:
		return warn(object, fmt.Sprintf("%s expires in %d days", what, int(until.Sub(now).Hours()/24)), remedy)
	}
	return ok(object, fmt.Sprintf("%s is valid until %s", what, until.UTC().Format(day)))
}
