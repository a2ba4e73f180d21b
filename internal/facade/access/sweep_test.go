package access

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestWhichSessionsAreOver(t *testing.T) {
	now := time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC)
	many := func(n int) []time.Duration {
		var ages []time.Duration
		for i := range n {
			ages = append(ages, time.Duration(n-i)*time.Minute)
		}
		return ages
	}
	tests := map[string]struct {
		ages []time.Duration
		want []string
	}{
		"none":                        {nil, nil},
		"one that lives":              {[]time.Duration{RefreshLifetime}, nil},
		"one that clocks may dispute": {[]time.Duration{RefreshLifetime + sweepMargin}, nil},
		"one that is over":            {[]time.Duration{RefreshLifetime + sweepMargin + time.Second, time.Minute}, []string{"0"}},
		"as many as a client may":     {many(maxSessions), nil},
		"two too many":                {many(maxSessions + 2), []string{"1", "0"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var there []*corev1.Secret
			for i, age := range test.ages {
				there = append(there, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
					Name: strconv.Itoa(i), CreationTimestamp: metav1.NewTime(now.Add(-age)),
				}})
			}
			var got []string
			for _, session := range over(there, now) {
				got = append(got, session.Name)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
