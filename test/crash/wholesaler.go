package crash

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators/faults"
	"github.com/telcodev/esim-operator/internal/operators/zendit"
	"github.com/telcodev/esim-operator/internal/operators/zendit/zenditfake"
	"github.com/telcodev/esim-operator/internal/testenv"
)

const (
	// wholesalePlan is in stock, and soldOutPlan is not.
	wholesalePlan, soldOutPlan = "ESIM-JP-7D-1GB", "SOLD-OUT"
	// wholesaleAddress is the SM-DP+ of what the wholesaler sells.
	wholesaleAddress = "rsp.zendit.example"
)

// wholesaler sells eSIMs of others, over an API that keeps books.
type wholesaler struct {
	*zenditfake.Server
	*faults.Injector
}

// wholesaleSource is a plan at the wholesaler of the product's shop.
func wholesaleSource(p *v1alpha1.EsimProduct, plan string) v1alpha1.VariantSource {
	return v1alpha1.VariantSource{OperatorRef: v1alpha1.OperatorReference{Name: p.Name + "-wholesaler"}, PlanID: plan}
}

// openWholesaler starts a wholesaler, and makes it one of the world's operators.
func (w *World) openWholesaler(ctx context.Context, o zenditfake.Options) (*wholesaler, error) {
	o.APIKey, o.Balance, o.SMDPAddress = "zk-crash-4c1be0d7a2", 10_000_000, wholesaleAddress
	o.Offers = []zenditfake.Offer{
		{ID: wholesalePlan, Country: "JP", DataGB: "1", Days: 7, Cost: 450, Stock: -1},
		{ID: soldOutPlan, Country: "JP", DataGB: "1", Days: 7, Cost: 450},
	}
	fake := zenditfake.New(o)
	injector := &faults.Injector{Name: zenditfake.Function}
	server := httptest.NewTLSServer(injector.Wrap(fake))
	w.Closing(func() error { server.Close(); return nil })
	name := w.Name + "-wholesaler"
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for _, object := range []client.Object{
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: name},
			Data:       map[string][]byte{zendit.KeyAPIKey: []byte(o.APIKey), zendit.KeyCA: authority},
		},
		&v1alpha1.EsimOperator{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: v1alpha1.EsimOperatorSpec{
				Zendit:          &v1alpha1.ResellerDriver{URL: server.URL + "/v1", CredentialsSecretRef: v1alpha1.SecretReference{Name: name}},
				Limits:          v1alpha1.OperatorLimits{RequestsPerSecond: 10_000, InFlight: 50},
				Timeout:         metav1.Duration{Duration: 2 * time.Second},
				RefreshInterval: metav1.Duration{Duration: time.Second},
			},
		},
	} {
		if err := w.API.Create(ctx, object); err != nil {
			return nil, fmt.Errorf("opening the wholesaler: %w", err)
		}
	}
	w.sellers = append(w.sellers, seller{
		name: name, address: wholesaleAddress,
		bought:   func() int { return fake.Count(zenditfake.Bought) - fake.Count(zenditfake.GivenBack) },
		stranded: func() int { return 0 }, dropped: func() int { return 0 },
		live: func(c credentials) bool { return fake.HasMatchingID(c.iccid, c.code.MatchingID) },
	})
	w.Secret(fake.Secrets)
	w.wholesaler = &wholesaler{fake, injector}
	return w.wholesaler, nil
}
