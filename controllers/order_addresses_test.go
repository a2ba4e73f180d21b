package controllers

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

func TestAnAnsweredAddressCountsForTheSpecItWasAnsweredUnder(t *testing.T) {
	operator := func(generation int64, configured, answered string, under int64) *v1alpha1.EsimOperator {
		return &v1alpha1.EsimOperator{
			ObjectMeta: metav1.ObjectMeta{UID: "op", Generation: generation},
			Spec:       v1alpha1.EsimOperatorSpec{ES2Plus: &v1alpha1.ES2PlusDriver{SMDPAddress: configured}},
			Status:     v1alpha1.EsimOperatorStatus{SMDPAddress: answered, SMDPAddressGeneration: under},
		}
	}
	learned := learnedAddresses{byOperator: map[types.UID]learnedAddress{"op": {"memory.example.com", 3}}}
	for _, tc := range []struct {
		name     string
		learned  *learnedAddresses
		operator *v1alpha1.EsimOperator
		want     string
	}{
		{"nothing is known, and nothing guessed", &learnedAddresses{}, operator(1, "", "", 0), ""},
		{"the configured one was not answered", &learnedAddresses{}, operator(1, "conf.example.com", "", 0), ""},
		{"the answered one", &learnedAddresses{}, operator(1, "conf.example.com", "rsp.example.com", 1), "rsp.example.com"},
		{"not the one of another SM-DP+", &learnedAddresses{}, operator(2, "conf.example.com", "old.example.com", 1), ""},
		{"memory is ahead of the cache", &learned, operator(3, "", "rsp.example.com", 2), "memory.example.com"},
		{"but not of the spec", &learned, operator(4, "", "rsp.example.com", 4), "rsp.example.com"},
	} {
		if got := tc.learned.of(tc.operator); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
