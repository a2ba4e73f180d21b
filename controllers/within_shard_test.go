package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

func TestWhatAnotherShardMayHaveSentIsNotTakenForUnsent(t *testing.T) {
	left := v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{UID: "0b0995fc-8b15-48fc-a296-aaaaaaaaaaaa"}}
	kept := types.UID("2fd566cf-3fca-4717-a218-bbbbbbbbbbbb")
	var unsent unsentRequests
	for _, request := range []string{requestID(left.UID, 1), requestID(left.UID, 12), requestID(kept, 1)} {
		unsent.note(request)
	}
	unsent.forgetAll([]v1alpha1.EsimOrder{left})
	if diff := cmp.Diff(map[string]struct{}{requestID(kept, 1): {}}, unsent.known); diff != "" {
		t.Errorf("known as unsent (-want +got):\n%s", diff)
	}
}
