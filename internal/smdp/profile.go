package smdp

import (
	"errors"
	"fmt"

	"github.com/telcodev/esim-operator/internal/activation"
)

// State of a profile at the SM-DP+ (SGP.22 section 3.1.6).
type State string

// The states of a profile.
const (
	// StateAvailable: in stock, nobody's.
	StateAvailable State = "Available"
	// StateAllocated: reserved by DownloadOrder, without an EID.
	StateAllocated State = "Allocated"
	// StateLinked: reserved by DownloadOrder for one EID.
	StateLinked State = "Linked"
	// StateConfirmed: has a matching ID, must still be released.
	StateConfirmed State = "Confirmed"
	// StateReleased: may be downloaded. This is what has been bought.
	StateReleased State = "Released"
	// StateDownloaded: the bound profile package was handed out.
	StateDownloaded State = "Downloaded"
	// StateInstalled: on a device.
	StateInstalled State = "Installed"
	// StateError: its download failed for good.
	StateError State = "Error"
	// StateUnavailable: cancelled, and not to be sold again.
	StateUnavailable State = "Unavailable"
)

// DeviceState tells what a device did with an installed profile. ES2+ knows no such state: it
// shows only in the notifications that vendors add.
type DeviceState string

// What a device did with a profile.
const (
	// DeviceInstalled: on the device, never enabled.
	DeviceInstalled DeviceState = "installed"
	// DeviceEnabled: in use.
	DeviceEnabled DeviceState = "enabled"
	// DeviceDisabled: switched off by the user.
	DeviceDisabled DeviceState = "disabled"
	// DeviceDeleted: removed from the device. It does not come back.
	DeviceDeleted DeviceState = "deleted"
)

// Profile is what may be shown of a profile: all but its credentials.
type Profile struct {
	ICCID       activation.ICCID `json:"iccid"`
	ProfileType string           `json:"profileType"`
	State       State            `json:"state"`
	// Owner is the requester that holds the profile, by its certificate. Of a profile that was
	// given back it is the one that held it last.
	Owner string `json:"owner,omitempty"`
	// Device is empty until the profile is installed.
	Device DeviceState `json:"device,omitempty"`
}

// profile is all there is to know of a profile. It is a value: a change makes a new one.
type profile struct {
	Profile
	eid activation.EID
	// hasMatchingID tells a profile that was confirmed with an empty matching ID, for the
	// default SM-DP+ case, from one that was not confirmed.
	hasMatchingID    bool
	matchingID       activation.Credential
	confirmationCode activation.Credential
}

// forgetOrder is the profile as it is once nobody holds it.
func (p profile) forgetOrder(state State) profile {
	return profile{Profile: Profile{ICCID: p.ICCID, ProfileType: p.ProfileType, State: state, Owner: p.Owner}}
}

var (
	// ErrUnknownProfile says: no profile has this ICCID.
	ErrUnknownProfile = errors.New("no profile has this ICCID")
	// ErrWrongState says: the profile is not in a state in which that can happen.
	ErrWrongState = errors.New("the profile is not in a state in which that can happen")
)

// deviceStep is something that a device does to a profile.
type deviceStep struct {
	name string
	// may tells whether the profile is in a state in which that can happen.
	may  func(p Profile) bool
	next func(p *profile)
}

func inState(state State) func(Profile) bool {
	return func(p Profile) bool { return p.State == state }
}

func onDevice(states ...DeviceState) func(Profile) bool {
	return func(p Profile) bool {
		for _, state := range states {
			if p.State == StateInstalled && p.Device == state {
				return true
			}
		}
		return false
	}
}

func setDevice(state DeviceState) func(*profile) {
	return func(p *profile) { p.Device = state }
}

var (
	stepDownload = deviceStep{"download", inState(StateReleased), func(p *profile) { p.State = StateDownloaded }}
	stepInstall  = deviceStep{"install", inState(StateDownloaded), func(p *profile) {
		p.State, p.Device = StateInstalled, DeviceInstalled
	}}
	stepFail = deviceStep{"fail", func(p Profile) bool {
		return p.State == StateReleased || p.State == StateDownloaded
	}, func(p *profile) { p.State = StateError }}
	stepEnable  = deviceStep{"enable", onDevice(DeviceInstalled, DeviceDisabled), setDevice(DeviceEnabled)}
	stepDisable = deviceStep{"disable", onDevice(DeviceEnabled), setDevice(DeviceDisabled)}
	stepDelete  = deviceStep{"delete", onDevice(DeviceInstalled, DeviceEnabled, DeviceDisabled), setDevice(DeviceDeleted)}
)

// take is the profile after the step.
func (s deviceStep) take(p profile) (profile, error) {
	if !s.may(p.Profile) {
		return profile{}, fmt.Errorf("%s profile %s, which is %s%s: %w", s.name, p.ICCID, p.State, deviceSuffix(p.Device), ErrWrongState)
	}
	s.next(&p)
	return p, nil
}

func deviceSuffix(d DeviceState) string {
	if d == "" {
		return ""
	}
	return " and " + string(d) + " on the device"
}
