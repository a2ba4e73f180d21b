package progress

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

type meanings = map[int32]v1alpha1.PointMeaning

func TestPointsMeanWhatTheStandardOrTheOperatorSays(t *testing.T) {
	const (
		success = es2plus.ExecutedSuccess
		warning = es2plus.ExecutedWithWarning
		failed  = es2plus.ExecutionFailed
		expired = es2plus.ExecutionExpired
	)
	for name, test := range map[string]struct {
		point  es2plus.PointID
		status es2plus.ExecutionStatus
		points meanings
		want   v1alpha1.DeviceEvent
	}{
		"installed":                           {4, success, nil, v1alpha1.DeviceInstalled},
		"installed with a warning":            {4, warning, nil, v1alpha1.DeviceInstalled},
		"installation failed":                 {4, failed, nil, v1alpha1.DeviceDownloadFailed},
		"installation expired":                {4, expired, nil, v1alpha1.DeviceDownloadFailed},
		"downloaded":                          {3, success, nil, nothing},
		"download failed":                     {3, failed, nil, v1alpha1.DeviceDownloadFailed},
		"not eligible":                        {1, failed, nil, nothing},
		"wrong confirmation code":             {2, failed, nil, nothing},
		"a status of nobody's":                {4, "", nil, nothing},
		"a vendor's point that is not named":  {5, success, nil, nothing},
		"5 is installed at one":               {5, success, meanings{5: v1alpha1.PointInstalled}, v1alpha1.DeviceInstalled},
		"5 is deleted at another":             {5, success, meanings{5: v1alpha1.PointDeleted}, v1alpha1.DeviceDeleted},
		"101 is installed":                    {101, warning, meanings{101: v1alpha1.PointInstalled}, v1alpha1.DeviceInstalled},
		"enabled is used":                     {6, success, meanings{6: v1alpha1.PointUsed}, v1alpha1.DeviceUsed},
		"said to be nothing":                  {7, success, meanings{7: v1alpha1.PointNothing}, nothing},
		"a vendor's installation failed":      {101, failed, meanings{101: v1alpha1.PointInstalled}, v1alpha1.DeviceDownloadFailed},
		"a deletion failed":                   {8, failed, meanings{8: v1alpha1.PointDeleted}, nothing},
		"4 is said to be nothing":             {4, success, meanings{4: v1alpha1.PointNothing}, nothing},
		"its failure still is one":            {4, failed, meanings{4: v1alpha1.PointNothing}, v1alpha1.DeviceDownloadFailed},
		"4 is said to be a deletion":          {4, success, meanings{4: v1alpha1.PointDeleted}, v1alpha1.DeviceDeleted},
		"whose failure is no failed download": {4, failed, meanings{4: v1alpha1.PointDeleted}, nothing},
		"3 is said to be installed":           {3, success, meanings{3: v1alpha1.PointInstalled}, v1alpha1.DeviceInstalled},
		"others' points change nothing":       {4, success, meanings{5: v1alpha1.PointDeleted}, v1alpha1.DeviceInstalled},
	} {
		t.Run(name, func(t *testing.T) {
			got := eventOf(es2plus.ProgressInfo{Point: test.point, Status: test.status}, test.points)
			if got != test.want {
				t.Errorf("means %q, want %q", got, test.want)
			}
		})
	}
}

func TestOperatorsThatDisagreeAreAskedApart(t *testing.T) {
	speakers := []*speaker{
		{operator: "a", points: meanings{5: v1alpha1.PointInstalled}},
		{operator: "b", points: meanings{5: v1alpha1.PointDeleted}},
		{operator: "c", points: meanings{5: v1alpha1.PointInstalled}},
		{operator: "d"},
	}
	got := statements(es2plus.ProgressInfo{Point: 5, Status: es2plus.ExecutedSuccess}, speakers)
	want := []statement{
		{event: v1alpha1.DeviceInstalled, operators: []string{"a", "c"}},
		{event: v1alpha1.DeviceDeleted, operators: []string{"b"}},
		{event: nothing, operators: []string{"d"}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(statement{})); diff != "" {
		t.Errorf("statements (-want +got):\n%s", diff)
	}
}

func TestAReportCarriesItsTimeAndTheReasonOfAFailure(t *testing.T) {
	arrival := time.Date(2026, 5, 1, 12, 0, 0, 5, time.UTC)
	told := arrival.Add(-time.Hour)
	for name, test := range map[string]struct {
		event v1alpha1.DeviceEvent
		want  v1alpha1.DeviceReport
	}{
		"installed": {v1alpha1.DeviceInstalled, v1alpha1.DeviceReport{
			Event: v1alpha1.DeviceInstalled, ICCID: "8947010000123456784", Time: metav1.NewTime(told.Truncate(time.Second)),
		}},
		"failed": {v1alpha1.DeviceDownloadFailed, v1alpha1.DeviceReport{
			Event: v1alpha1.DeviceDownloadFailed, ICCID: "8947010000123456784", Time: metav1.NewTime(told.Truncate(time.Second)), Message: "8.1/4.8",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := reportOf(es2plus.ProgressInfo{ICCID: "8947010000123456784", Time: told, Code: "8.1/4.8"}, test.event, arrival)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheTimeOfAReportIsNeverInTheFutureOrOfAnotherAge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arrival := time.Unix(rapid.Int64Range(1_500_000_000, 4_000_000_000).Draw(t, "arrival"), 0).UTC()
		told := time.Unix(arrival.Unix()+rapid.Int64Range(-int64(3*maxAge.Seconds()), int64(maxAge.Seconds())).Draw(t, "ahead"), 0).UTC()
		got := reportOf(es2plus.ProgressInfo{Time: told}, v1alpha1.DeviceInstalled, arrival).Time.Time
		believable := !told.After(arrival) && arrival.Sub(told) <= maxAge
		if want := map[bool]time.Time{true: told, false: arrival}[believable]; !got.Equal(want) {
			t.Fatalf("told %v at %v, and noted %v, want %v", told, arrival, got, want)
		}
	})
	if got := reportOf(es2plus.ProgressInfo{}, v1alpha1.DeviceInstalled, time.Unix(1_700_000_000, 0)); got.Time.Unix() != 1_700_000_000 {
		t.Errorf("without a time it is that of its arrival; got %v", got.Time)
	}
}
