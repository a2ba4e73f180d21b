package es2plus

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// double is an SM-DP+ in memory, for tests that need thousands of them. It is as strict as
// the standard lets it be, and offers a profile that came back for sale at once: whatever
// still names that profile hits another order.
type double struct {
	// smdpAddress is answered by ConfirmOrder, where it is set.
	smdpAddress string
	// matchingIDFirst looks at the matching ID before the state, so that a repeated
	// ConfirmOrder finds its own matching ID in use.
	matchingIDFirst bool
	// taken is how many of the next matching IDs turn out to belong to other orders' profiles.
	taken    int
	takenIDs map[string]bool

	profiles map[activation.ICCID]*sold
	forSale  []activation.ICCID
	requests []es2plusCall
}

// sold is a profile of the double.
type sold struct {
	state      string
	matchingID string
	requestID  string
}

// es2plusCall is what reached the double.
type es2plusCall struct {
	function es2plus.Function
	callID   string
	body     map[string]any
}

const (
	stateAllocated   = "Allocated"
	stateReleased    = "Released"
	stateInstalled   = "Installed"
	stateUnavailable = "Unavailable"
	stateAvailable   = "Available"
)

// functionOf is the function at a path.
func functionOf(path string) es2plus.Function {
	for function := range suffix {
		if function.Path() == path {
			return function
		}
	}
	panic("no function at " + path)
}

// execute does what a request asks for and is answered with an HTTP answer.
func (d *double) execute(function es2plus.Function, request []byte) reply {
	var body map[string]any
	if err := json.Unmarshal(request, &body); err != nil {
		panic(err)
	}
	callID := body["header"].(map[string]any)["functionCallIdentifier"].(string)
	d.requests = append(d.requests, es2plusCall{function, callID, body})
	var (
		fields map[string]any
		code   string
	)
	text := func(field string) string { value, _ := body[field].(string); return value }
	iccid := activation.ICCID(text("iccid"))
	switch function {
	case es2plus.DownloadOrder:
		fields = d.reserve(callID)
	case es2plus.ConfirmOrder:
		fields, code = d.confirm(iccid, text("matchingId"))
	case es2plus.ReleaseProfile:
		if found := d.profiles[iccid]; found == nil || found.state != stateReleased {
			code = codeWrongState
		}
	case es2plus.CancelOrder:
		code = d.cancel(iccid, text("matchingId"), text("finalProfileStatusIndicator"))
	}
	return answer(fields, code)
}

func (d *double) reserve(callID string) map[string]any {
	if d.profiles == nil {
		d.profiles = map[activation.ICCID]*sold{}
	}
	if len(d.forSale) == 0 {
		payload := fmt.Sprintf("894701%012d", len(d.profiles)+1)
		digit, err := activation.LuhnDigit(payload)
		if err != nil {
			panic(err)
		}
		d.forSale = append(d.forSale, activation.ICCID(payload+string(digit)))
	}
	iccid := d.forSale[0]
	d.forSale = d.forSale[1:]
	d.profiles[iccid] = &sold{state: stateAllocated, requestID: callID}
	return map[string]any{"iccid": string(iccid) + "F"}
}

func (d *double) confirm(iccid activation.ICCID, matchingID string) (map[string]any, string) {
	profile := d.profiles[iccid]
	switch {
	case profile == nil:
		return nil, codeUnknownICCID
	case d.isTaken(matchingID):
		return nil, codeMatchingIDInUse
	case d.matchingIDFirst && profile.matchingID == matchingID:
		return nil, codeMatchingIDInUse
	case profile.state != stateAllocated:
		return nil, codeWrongState
	}
	profile.state, profile.matchingID = stateReleased, matchingID
	fields := map[string]any{"matchingId": matchingID}
	if d.smdpAddress != "" {
		fields["smdpAddress"] = d.smdpAddress
	}
	return fields, ""
}

func (d *double) isTaken(matchingID string) bool {
	if d.taken > 0 && !d.takenIDs[matchingID] {
		d.taken--
		if d.takenIDs == nil {
			d.takenIDs = map[string]bool{}
		}
		d.takenIDs[matchingID] = true
	}
	return d.takenIDs[matchingID]
}

func (d *double) cancel(iccid activation.ICCID, matchingID, final string) string {
	profile := d.profiles[iccid]
	switch {
	case profile == nil || profile.state == stateUnavailable || profile.state == stateAvailable:
		return codeUnknownICCID
	case profile.state == stateInstalled:
		return codeInstalled
	case matchingID != "" && matchingID != profile.matchingID:
		return codeOtherMatchingID
	}
	profile.state = stateUnavailable
	if final == string(es2plus.FinalAvailable) {
		profile.state = stateAvailable
		d.forSale = append(d.forSale, iccid)
	}
	return ""
}

// inState lists the profiles in one of the states.
func (d *double) inState(states ...string) (found []activation.ICCID) {
	for iccid, profile := range d.profiles {
		for _, state := range states {
			if profile.state == state {
				found = append(found, iccid)
			}
		}
	}
	return found
}

// requestsTo lists the calls of a function that were executed.
func (d *double) requestsTo(function es2plus.Function) (found []es2plusCall) {
	for _, request := range d.requests {
		if request.function == function {
			found = append(found, request)
		}
	}
	return found
}

// answer is an ES2+ answer: fields, or the refusal that a code such as 8.2.1/3.5 names.
func answer(fields map[string]any, code string) reply {
	status := map[string]any{"status": "Executed-Success"}
	if code != "" {
		subject, reason := cutCode(code)
		status = map[string]any{"status": "Failed", "statusCodeData": map[string]any{"subjectCode": subject, "reasonCode": reason}}
		fields = nil
	}
	body := map[string]any{"header": map[string]any{"functionExecutionStatus": status}}
	for name, value := range fields {
		body[name] = value
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return reply{fate: answered, status: http.StatusOK, body: encoded}
}
