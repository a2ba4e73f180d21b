package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"go/ast"
	"go/parser"
	"go/token"
	"math/big"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// pair is a certificate that signs for itself, with its key, as PEM.
func pair(t *testing.T, from, until time.Time) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: from, NotAfter: until, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

func secret(name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "esim-system", Name: name}, Data: data}
}

// condition of one of our objects.
func condition(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: "what the manager says"}
}

func operator(conditions ...metav1.Condition) *v1alpha1.EsimOperator {
	return &v1alpha1.EsimOperator{
		ObjectMeta: metav1.ObjectMeta{Name: "telco-one"},
		Spec:       v1alpha1.EsimOperatorSpec{ES2Plus: &v1alpha1.ES2PlusDriver{TLSSecretRef: v1alpha1.SecretReference{Name: "telco-one-tls"}}},
		Status:     v1alpha1.EsimOperatorStatus{Conditions: conditions},
	}
}

func TestCertificates(t *testing.T) {
	year := 365 * 24 * time.Hour
	good, key := pair(t, noon.Add(-year), noon.Add(year))
	ending, endingKey := pair(t, noon.Add(-year), noon.Add(10*24*time.Hour))
	ended, endedKey := pair(t, noon.Add(-year), noon.Add(-time.Hour))
	early, earlyKey := pair(t, noon.Add(time.Hour), noon.Add(year))
	with := func(certificate, key, ca []byte) []client.Object {
		return []client.Object{operator(), secret("telco-one-tls", map[string][]byte{"tls.crt": certificate, "tls.key": key, "ca.crt": ca})}
	}
	zendit := &v1alpha1.EsimOperator{
		ObjectMeta: metav1.ObjectMeta{Name: "zendit"},
		Spec:       v1alpha1.EsimOperatorSpec{Zendit: &v1alpha1.ResellerDriver{CredentialsSecretRef: v1alpha1.SecretReference{Name: "zendit"}}},
	}
	// mounting is a Deployment with the certificate of a server.
	mounting := func(name string, optional *bool) *appsv1.Deployment {
		d := deployment(1, 1)
		d.Spec.Template.Spec.Volumes = append(d.Spec.Template.Spec.Volumes,
			corev1.Volume{Name: "tls", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: name, Optional: optional}}},
			corev1.Volume{Name: "extra-ca", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "company-ca"}}})
		return d
	}
	for name, e := range map[string]expectation{
		"as it is deployed":            {objects: []client.Object{mounting("rest-tls", nil), secret("rest-tls", map[string][]byte{"tls.crt": ended, "tls.key": endedKey})}, level: Fail, says: "Secret rest-tls of namespace esim-system expired"},
		"deployed without one":         {objects: []client.Object{mounting("rest-tls", nil)}, level: Fail, says: "Secret rest-tls of namespace esim-system is not there"},
		"deployed so as to do without": {objects: []client.Object{mounting("rest-tls", ptr.To(true))}, level: OK},
		"well":                         {objects: with(good, key, good), level: OK, says: "valid until 3 May 2037"},
		"no Secret":                    {objects: []client.Object{operator()}, level: Fail, says: "Secret telco-one-tls of namespace esim-system is not there"},
		"ending":                       {objects: with(ending, endingKey, good), level: Warn, says: "expires in 10 days"},
		"ended":                        {objects: with(ended, endedKey, good), level: Fail, says: "expired on 3 May 2036"},
		"not yet":                      {objects: with(early, earlyKey, good), level: Fail, says: "not valid before"},
		"another's key":                {objects: with(good, endedKey, good), level: Fail, says: "no certificate with its key"},
		"no CA":                        {objects: with(good, key, nil), level: Fail, says: "holds no certificate"},
		"CA ended":                     {objects: with(good, key, ended), level: Fail, says: "the CA in"},
		"old CA beside new":            {objects: with(good, key, append(append([]byte{}, ended...), good...)), level: OK},
		"reseller's key":               {objects: []client.Object{zendit, secret("zendit", map[string][]byte{"api-key": []byte("x")})}, level: OK},
		"no reseller's key":            {objects: []client.Object{zendit, secret("zendit", nil)}, level: Fail, says: "lacks api-key"},
		"our own has ended":            {objects: []client.Object{secret(servingSecrets[0], map[string][]byte{"tls.crt": ended, "tls.key": endedKey})}, level: Fail, says: "expired"},
		"our own is another":           {objects: []client.Object{secret(servingSecrets[1], map[string][]byte{"tls.crt": good, "tls.key": endedKey})}, level: Fail, says: "no certificate with its key"},
	} {
		t.Run(name, func(t *testing.T) {
			e.check = checkCertificates
			e.hold(t)
		})
	}
}

func TestOperators(t *testing.T) {
	up := condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.OperatorReasonReachable)
	for name, e := range map[string]expectation{
		"well":         {objects: []client.Object{operator(up)}, level: OK},
		"none":         {level: Fail, says: "nothing can be bought"},
		"not probed":   {objects: []client.Object{operator()}, level: Fail, says: "nobody has probed it yet"},
		"auth failed":  {objects: []client.Object{operator(condition(v1alpha1.ConditionReady, metav1.ConditionFalse, "AuthFailed"))}, level: Fail, says: "AuthFailed: what the manager says"},
		"no money":     {objects: []client.Object{operator(up, condition(v1alpha1.ConditionAccountEmpty, metav1.ConditionTrue, "X"))}, level: Fail, says: "account there is empty"},
		"answers lost": {objects: []client.Object{operator(up, condition(v1alpha1.ConditionAnswersLost, metav1.ConditionTrue, "X"))}, level: Warn, says: "left calls unanswered"},
		"no list":      {objects: []client.Object{operator(up, condition(v1alpha1.ConditionCatalogueImported, metav1.ConditionFalse, "X"))}, level: Warn, says: "its list could not be read"},
		"newer reason": {objects: []client.Object{operator(condition(v1alpha1.ConditionReady, metav1.ConditionFalse, "OfANewerManager"))}, level: Fail, says: "OfANewerManager"},
	} {
		t.Run(name, func(t *testing.T) {
			e.check = checkOperators
			e.hold(t)
		})
	}
}

func TestEveryReasonOfAnOperatorHasARemedy(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "..", "api", "v1alpha1", "esimoperator_types.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(parsed, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "OperatorReason") {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is no text", spec.Names[0].Name)
		}
		reason, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if _, ok := remedies[reason]; !ok && reason != v1alpha1.OperatorReasonReachable {
			t.Errorf("the reason %s has no remedy", reason)
		}
		return true
	})
	if found != len(remedies)+1 {
		t.Errorf("there are %d reasons, and remedies for %d", found, len(remedies))
	}
}

func TestCatalogue(t *testing.T) {
	product := func(name string, conditions ...metav1.Condition) *v1alpha1.EsimProduct {
		return &v1alpha1.EsimProduct{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1alpha1.EsimProductStatus{Conditions: conditions}}
	}
	sold := product("japan", condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ProductReasonSellable))
	down := condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ProductReasonOperatorNotReady)
	withdrawn := condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ProductReasonNothingActive)
	for name, e := range map[string]expectation{
		"well":              {objects: []client.Object{sold, product("old", withdrawn)}, level: OK, says: "1 of 2 can be sold"},
		"nothing":           {level: Fail, says: "nothing is for sale"},
		"one has no seller": {objects: []client.Object{sold, product("peru", down)}, level: Warn, says: "EsimProduct peru: OperatorNotReady"},
		"none has a seller": {objects: []client.Object{product("peru", down)}, level: Fail, says: "nothing is for sale"},
		"many have one trouble": {
			objects: []client.Object{sold, product("a", down), product("b", down), product("c", down), product("d", down)},
			level:   Warn, says: "4 EsimProducts (a, b, c, …): OperatorNotReady: what the manager says",
		},
		"one is not read":    {objects: []client.Object{sold, product("new")}, level: Warn, says: "has not looked at it yet"},
		"all were withdrawn": {objects: []client.Object{product("old", withdrawn)}, level: Fail, says: "nothing is for sale"},
	} {
		t.Run(name, func(t *testing.T) {
			e.check = checkCatalogue
			e.hold(t)
		})
	}
}

func TestWallets(t *testing.T) {
	wallet := func(conditions ...metav1.Condition) []client.Object {
		return []client.Object{&v1alpha1.EsimWallet{
			ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "main"}, Status: v1alpha1.EsimWalletStatus{Conditions: conditions},
		}}
	}
	open := condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.WalletReasonOpen)
	low := func(reason string) metav1.Condition {
		return condition(v1alpha1.ConditionLowFunds, metav1.ConditionTrue, reason)
	}
	for name, e := range map[string]expectation{
		"well":          {objects: wallet(open, condition(v1alpha1.ConditionLowFunds, metav1.ConditionFalse, v1alpha1.WalletReasonEnough)), level: OK, says: "1 can pay"},
		"not summed up": {objects: wallet(), level: Warn, says: "EsimWallet acme/main: the manager has not summed it up"},
		"invalid":       {objects: wallet(condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.WalletReasonInvalidSpec)), level: Fail, says: "what the manager says"},
		"low":           {objects: wallet(open, low(v1alpha1.WalletReasonLow)), level: Warn, says: "what the manager says"},
		"empty":         {objects: wallet(open, low(v1alpha1.WalletReasonEmpty)), level: Warn, says: "what the manager says"},
		"overdrawn":     {objects: wallet(open, low(v1alpha1.WalletReasonOverdrawn)), level: Fail, says: "more was taken than there was"},
	} {
		t.Run(name, func(t *testing.T) {
			e.check = checkWallets
			e.hold(t)
		})
	}
}

func TestOrders(t *testing.T) {
	order := func(phase v1alpha1.OrderPhase, age time.Duration, conditions ...metav1.Condition) []client.Object {
		return []client.Object{&v1alpha1.EsimOrder{
			ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "trip", CreationTimestamp: metav1.NewTime(noon.Add(-age))},
			Status:     v1alpha1.EsimOrderStatus{Phase: phase, Conditions: conditions},
		}}
	}
	waits := func(reason string) metav1.Condition {
		return condition(v1alpha1.ConditionReady, metav1.ConditionFalse, reason)
	}
	for name, e := range map[string]expectation{
		"well":            {objects: order(v1alpha1.PhasePending, time.Minute, waits("Provisioning")), level: OK, says: "1 are on their way"},
		"none":            {level: OK, says: "0 are on their way"},
		"needs a person":  {objects: order(v1alpha1.PhasePending, time.Minute, waits("NeedsPerson")), level: Fail, says: "EsimOrder acme/trip: it waits for a person"},
		"sent elsewhere":  {objects: order(v1alpha1.PhasePending, time.Minute, waits("ConnectedElsewhere")), level: Fail, says: "it waits for a person"},
		"nobody looks":    {objects: order(v1alpha1.PhasePending, 2*time.Minute), level: Fail, says: "no manager has looked at them"},
		"just made":       {objects: order(v1alpha1.PhasePending, time.Second), level: OK},
		"waits for long":  {objects: order(v1alpha1.PhasePending, 2*time.Hour, waits("OutOfStock")), level: Warn, says: "1 OutOfStock"},
		"delivered, once": {objects: order(v1alpha1.PhaseDelivered, 2*time.Hour), level: OK, says: "0 are on their way"},
	} {
		t.Run(name, func(t *testing.T) {
			e.check = checkOrders
			e.hold(t)
		})
	}
}

func TestFindingsStayReadable(t *testing.T) {
	many := make([]Finding, mostFindings+5)
	kept := bounded(many)
	if len(kept) != mostFindings+1 || !strings.Contains(kept[mostFindings].Message, "5 more") {
		t.Errorf("of %d findings %d are shown, and at last %q", len(many), len(kept), kept[len(kept)-1].Message)
	}
}
