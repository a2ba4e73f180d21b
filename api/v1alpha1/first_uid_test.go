package v1alpha1_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

const (
	firstUID   = types.UID("0f8fad5b-d9cb-469f-a165-70867728950e")
	anotherUID = types.UID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
)

func orderOf(uid types.UID, requestID string) *v1alpha1.EsimOrder {
	order := &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{UID: uid}}
	if requestID != "" {
		order.Status.Provisioning = &v1alpha1.OrderProvisioning{RequestID: requestID}
	}
	return order
}

func TestTheFirstUIDOfAnOrderOutlivesARestore(t *testing.T) {
	for name, tc := range map[string]struct {
		requestID string
		want      types.UID
	}{
		"not bought yet":         {"", anotherUID},
		"never restored":         {"7c9e6679742540de944be07fc1f90ae7-1", anotherUID},
		"restored":               {"0f8fad5bd9cb469fa16570867728950e-12", firstUID},
		"another kind of ID":     {"2Q5g-1", anotherUID},
		"an ID without attempts": {"0f8fad5bd9cb469fa16570867728950e", anotherUID},
	} {
		if got := orderOf(anotherUID, tc.requestID).FirstUID(); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func TestTheFirstUIDOfAWalletIsInItsStatus(t *testing.T) {
	wallet := &v1alpha1.EsimWallet{ObjectMeta: metav1.ObjectMeta{UID: anotherUID}}
	if got := wallet.FirstUID(); got != anotherUID {
		t.Errorf("a new wallet's is %s, want %s", got, anotherUID)
	}
	wallet.Status.FirstUID = firstUID
	if got := wallet.FirstUID(); got != firstUID {
		t.Errorf("a restored wallet's is %s, want %s", got, firstUID)
	}
}

func TestAnOrderOwnsItsSecretAndNobodyElses(t *testing.T) {
	restored := orderOf(anotherUID, "0f8fad5bd9cb469fa16570867728950e-1")
	successor := orderOf(anotherUID, "") // a new order that has taken the name
	for name, tc := range map[string]struct {
		order      *v1alpha1.EsimOrder
		owner      types.UID
		writtenFor string
		want       bool
	}{
		"its own, with its owner as it is now":        {restored, anotherUID, "", true},
		"its own, with the owner as it was":           {restored, firstUID, string(firstUID), true},
		"its own, without an owner":                   {restored, "", string(firstUID), true},
		"another's":                                   {restored, "x", string(firstUID), false},
		"nobody's":                                    {restored, "", "", false},
		"its predecessor's":                           {successor, firstUID, string(firstUID), false},
		"its predecessor's, without an owner":         {successor, "", string(firstUID), false},
		"a new order's own":                           {successor, anotherUID, string(anotherUID), true},
		"one that names nobody, of an order likewise": {&v1alpha1.EsimOrder{}, "", "", false},
	} {
		secret := &metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.WrittenForAnnotation: tc.writtenFor}}
		if tc.owner != "" {
			secret.OwnerReferences = []metav1.OwnerReference{{Kind: "EsimOrder", UID: tc.owner}}
		}
		if got := tc.order.OwnsSecret(secret); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
