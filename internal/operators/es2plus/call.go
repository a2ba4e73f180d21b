package es2plus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-logr/logr"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// suffix of the functionCallIdentifier by function. Request ID and suffix name a call for
// ever: after a crash it is sent again under the same name (SGP.22 section 5.2.1), so a
// server that repeats its answers by that name repeats the right one.
var suffix = map[es2plus.Function]string{
	es2plus.DownloadOrder:  "-D",
	es2plus.ConfirmOrder:   "-C",
	es2plus.ReleaseProfile: "-R",
	es2plus.CancelOrder:    "-X",
}

// header names a call. variant tells calls of one request to one function apart that ask for
// different things; it is empty for the first.
func (d *Driver) header(function es2plus.Function, requestID, variant string) es2plus.RequestHeader {
	return es2plus.RequestHeader{
		FunctionRequesterIdentifier: d.requester,
		FunctionCallIdentifier:      requestID + suffix[function] + variant,
	}
}

// reader reads the fields of a function that was executed from its answer. Its error means
// that they cannot be read, unless it is an *operators.Error, which says itself what it means.
type reader func(body []byte) error

// noFields is for functions whose answer has none.
func noFields([]byte) error { return nil }

// call sends one request and has its answer read. The secrets that the request carries are
// masked in what is kept of the answer. Nil means that the function was executed.
func (d *Driver) call(ctx context.Context, function es2plus.Function, request any, read reader, secrets ...activation.Credential) *operators.Error {
	body, err := json.Marshal(request)
	if err != nil {
		return &operators.Error{Class: operators.Misconfigured, Function: string(function), Message: "the request cannot be written", Err: err}
	}
	if err := d.pace.Wait(ctx); err != nil {
		return classifyFate(function, reply{fate: notSent, err: fmt.Errorf("wait for spec.limits.requestsPerSecond: %w", err)})
	}
	leave, err := d.guard()
	if err != nil {
		return &operators.Error{Class: operators.Transient, Function: string(function), Message: "this process may not call the SM-DP+ now; nothing was sent", Err: err}
	}
	began := d.now()
	ctx, span := tracing.Start(ctx, string(function), tracing.Client)
	r := d.exchange(ctx, function, body, leave)
	failure := judge(function, &r, read, secrets...)
	operators.EndSpan(span, r.status, failure)
	// A caller that gave up before anything left says nothing about the SM-DP+.
	if r.fate != notSent || !errors.Is(ctx.Err(), context.Canceled) {
		d.onCall(callOf(function, r, failure, d.now().Sub(began)))
	}
	return failure
}

// exchange leaves the guard whatever happens to the request.
func (d *Driver) exchange(ctx context.Context, function es2plus.Function, body []byte, leave func()) reply {
	defer leave()
	return d.transport.exchange(ctx, function.Path(), body)
}

// judge reads a reply; it notes in r when an answer cannot be read.
func judge(function es2plus.Function, r *reply, read reader, secrets ...activation.Credential) *operators.Error {
	if failure := classifyFate(function, *r); failure != nil {
		return failure
	}
	status, err := readStatus(r.body)
	if err != nil {
		r.fate, r.err = unreadable, err
		return noAnswer(function, *r)
	}
	if failure := classifyStatus(function, status, peerText(status.StatusCodeData, secrets...)); failure != nil {
		return failure
	}
	err = read(r.body)
	if judged := (*operators.Error)(nil); errors.As(err, &judged) {
		return judged
	}
	if err != nil {
		r.fate, r.err = unreadable, err
		return noAnswer(function, *r)
	}
	return nil
}

// downloadOrder reserves a profile of a type.
func (d *Driver) downloadOrder(ctx context.Context, p operators.Purchase) (activation.ICCID, *operators.Error) {
	const function = es2plus.DownloadOrder
	var iccid activation.ICCID
	read := func(body []byte) (err error) {
		var answer es2plus.DownloadOrderResponse
		if err := readFields(body, &answer); err != nil {
			return err
		}
		iccid, err = activation.ParseICCID(answer.ICCID)
		return err
	}
	failure := d.call(ctx, function, es2plus.DownloadOrderRequest{
		Header: d.header(function, p.RequestID, ""), ProfileType: p.PlanID,
	}, read)
	if failure == nil && !iccid.LuhnValid() {
		logr.FromContextOrDiscard(ctx).Info("The SM-DP+ answered an ICCID whose check digit is wrong; it is taken as it is", "iccid", iccid)
	}
	return iccid, failure
}

// confirmOrder fixes the matching ID and releases the profile for download. try counts the
// matching IDs, from 1. With an error a profile is returned where it was confirmed all the
// same, and only its address is missing.
func (d *Driver) confirmOrder(ctx context.Context, p operators.Purchase, held operators.Profile, try int) (operators.Profile, *operators.Error) {
	const function = es2plus.ConfirmOrder
	matchingID, release, variant := held.MatchingID.Reveal(), true, ""
	if try > 1 {
		variant = strconv.Itoa(try)
	}
	var profile operators.Profile
	read := func(body []byte) error {
		var answer es2plus.ConfirmOrderResponse
		if err := readFields(body, &answer); err != nil {
			return err
		}
		var failure *operators.Error
		if profile, failure = confirmedAs(p, held, answer); failure != nil {
			return failure
		}
		return nil
	}
	failure := d.call(ctx, function, es2plus.ConfirmOrderRequest{
		Header: d.header(function, p.RequestID, variant), ICCID: string(held.ICCID), MatchingID: &matchingID, ReleaseFlag: &release,
	}, read, held.MatchingID)
	return profile, failure
}

// releaseProfile succeeds for a profile that is Confirmed, and for one that is Released.
func (d *Driver) releaseProfile(ctx context.Context, p operators.Purchase, held operators.Profile) *operators.Error {
	const function = es2plus.ReleaseProfile
	return d.call(ctx, function, es2plus.ReleaseProfileRequest{
		Header: d.header(function, p.RequestID, ""), ICCID: string(held.ICCID),
	}, noFields, held.MatchingID)
}

// cancelOrder gives a profile back. The answer may repeat secrets that h does not hold, because
// an earlier call carried them.
func (d *Driver) cancelOrder(ctx context.Context, h operators.Held, variant string, secrets ...activation.Credential) *operators.Error {
	const function = es2plus.CancelOrder
	final := es2plus.FinalUnavailable
	if h.Reusable {
		final = es2plus.FinalAvailable
	}
	return d.call(ctx, function, es2plus.CancelOrderRequest{
		Header: d.header(function, h.RequestID, variant), ICCID: string(h.ICCID), MatchingID: h.MatchingID.Reveal(),
		FinalProfileStatusIndicator: final,
	}, noFields, append(secrets, h.MatchingID)...)
}
