package smdp

import (
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// milestone is a notification point that a device reached, and how.
type milestone struct {
	point func(Points) int
	// code of the failure, such as 8.1/4.8; nil for a success.
	failure *refusal
}

// refuseInstall is how a download ends that a device could not install.
var refuseInstall = refusal{"8.1", "4.8", "insufficient memory on the eUICC"}

// Install lets a device download and install a released profile. Errors: ErrUnknownProfile,
// ErrWrongState.
func (s *Server) Install(iccid activation.ICCID) error {
	return s.onDevice(iccid, []milestone{{point: Points.download}, {point: Points.installed}}, stepDownload, stepInstall)
}

// FailInstall lets a device download a released profile and fail to install it; its activation
// code is burnt. Errors as of Install.
func (s *Server) FailInstall(iccid activation.ICCID) error {
	return s.onDevice(iccid, []milestone{{point: Points.download}, {point: Points.installed, failure: &refuseInstall}}, stepDownload, stepFail)
}

// Enable an installed profile. Errors as of Install.
func (s *Server) Enable(iccid activation.ICCID) error {
	return s.onDevice(iccid, []milestone{{point: Points.enabled}}, stepEnable)
}

// Disable an enabled profile. Errors as of Install.
func (s *Server) Disable(iccid activation.ICCID) error {
	return s.onDevice(iccid, []milestone{{point: Points.disabled}}, stepDisable)
}

// Delete an installed profile from its device. Errors as of Install.
func (s *Server) Delete(iccid activation.ICCID) error {
	return s.onDevice(iccid, []milestone{{point: Points.deleted}}, stepDelete)
}

// Notify sends a notification about a profile without changing it: repeats, wrong order and
// points that make no sense are made this way. Errors: ErrUnknownProfile.
func (s *Server) Notify(iccid activation.ICCID, point int, failed bool) error {
	m := milestone{point: func(Points) int { return point }}
	if failed {
		m.failure = &refuseInstall
	}
	return s.onDevice(iccid, []milestone{m})
}

func (s *Server) onDevice(iccid activation.ICCID, reached []milestone, steps ...deviceStep) error {
	p, err := s.registry.onDevice(iccid, steps...)
	if err != nil {
		return err
	}
	s.log.Info("profile on device", "iccid", iccid, "state", p.State, "device", p.Device)
	points := s.notifier.current().Points
	messages := make([]es2plus.HandleDownloadProgressInfoRequest, 0, len(reached))
	for _, m := range reached {
		messages = append(messages, progressInfo(p, m, points, s.clock.Now(), s.behaviour()))
	}
	return s.notifier.send(messages)
}

// progressInfo is the notification that a milestone was reached (SGP.22 section 5.3.5), but for
// its header.
func progressInfo(p profile, m milestone, points Points, now time.Time, b Behaviour) es2plus.HandleDownloadProgressInfoRequest {
	status := executed().FunctionExecutionStatus
	if m.failure != nil {
		status = m.failure.failed().Header.FunctionExecutionStatus
	}
	return es2plus.HandleDownloadProgressInfoRequest{
		EID:                     string(p.eid),
		ICCID:                   b.iccidOnWire(p.ICCID),
		ProfileType:             p.ProfileType,
		Timestamp:               now.UTC().Format(time.RFC3339),
		NotificationPointID:     es2plus.PointID(m.point(points)),
		NotificationPointStatus: status,
	}
}
