package progress

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// The standard's notification points that mean something (SGP.22 section 5.3.5): 1 and 2 come
// before any download.
const (
	pointDownload     = 3
	pointInstallation = 4
)

// maxAge is how old an event may be whose time is believed. Senders try again for hours or
// days; what is older was sent by a clock that is wrong.
const maxAge = 30 * 24 * time.Hour

// nothing is the meaning of what need not be stored.
const nothing v1alpha1.DeviceEvent = ""

// eventOf a notification, by the operator's points.
//
// What the operator says of a point counts more than the standard, also of 3 and 4. With
// success the point means just that. A failure means DownloadFailed where the step was on the
// way onto a device: 3 and 4, unless they are said to be something later (Used, Deleted), and
// every point that is said to mean Installed.
func eventOf(info es2plus.ProgressInfo, points map[int32]v1alpha1.PointMeaning) v1alpha1.DeviceEvent {
	meaning, named := points[int32(info.Point)]
	standard := info.Point == pointDownload || info.Point == pointInstallation
	switch info.Status {
	case es2plus.ExecutedSuccess, es2plus.ExecutedWithWarning:
		if !named && info.Point == pointInstallation {
			meaning = v1alpha1.PointInstalled
		}
		switch meaning {
		case v1alpha1.PointInstalled:
			return v1alpha1.DeviceInstalled
		case v1alpha1.PointUsed:
			return v1alpha1.DeviceUsed
		case v1alpha1.PointDeleted:
			return v1alpha1.DeviceDeleted
		}
	case es2plus.ExecutionFailed, es2plus.ExecutionExpired:
		later := meaning == v1alpha1.PointUsed || meaning == v1alpha1.PointDeleted
		if meaning == v1alpha1.PointInstalled || (standard && !later) {
			return v1alpha1.DeviceDownloadFailed
		}
	}
	return nothing
}

// statement is what a notification means for the operators that its sender speaks for.
type statement struct {
	event     v1alpha1.DeviceEvent
	operators []string
}

// statements are what the notification may mean: one, unless the operators disagree about its
// point. Which one counts is known once it is known whose the ICCID is.
func statements(info es2plus.ProgressInfo, speakers []*speaker) []statement {
	var out []statement
	for _, s := range speakers {
		event := eventOf(info, s.points)
		at := slices.IndexFunc(out, func(other statement) bool { return other.event == event })
		if at < 0 {
			at = len(out)
			out = append(out, statement{event: event})
		}
		out[at].operators = append(out[at].operators, s.operator)
	}
	return out
}

// reportOf a notification that arrived at this time.
func reportOf(info es2plus.ProgressInfo, event v1alpha1.DeviceEvent, arrival time.Time) v1alpha1.DeviceReport {
	at := info.Time
	if at.IsZero() || at.After(arrival) || at.Before(arrival.Add(-maxAge)) {
		at = arrival
	}
	out := v1alpha1.DeviceReport{Event: event, ICCID: string(info.ICCID), Time: metav1.NewTime(at.UTC().Truncate(time.Second))}
	if event == v1alpha1.DeviceDownloadFailed {
		out.Message = info.Code
	}
	return out
}
