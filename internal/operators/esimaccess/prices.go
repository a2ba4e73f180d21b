package esimaccess

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators"
)

// priceList remembers what plans cost when the vendor listed them last, in dollars × 10,000, by
// slug and by package code. It may be out of date: the vendor refuses an order with a price
// that is not today's. It is safe for concurrent use.
type priceList struct {
	mu     sync.Mutex
	prices map[string]int64
}

func newPriceList() *priceList { return &priceList{prices: make(map[string]int64)} }

// note the prices of plans that were listed just now.
func (l *priceList) note(plans []plan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.prices)+2*len(plans) > 4*maxPlans {
		clear(l.prices) // plans that are sold no more; the others are asked for again
	}
	for _, p := range plans {
		for _, id := range []string{string(p.PackageCode), string(p.Slug)} {
			if id != "" && p.Price > 0 {
				l.prices[id] = int64(p.Price)
			}
		}
	}
}

func (l *priceList) find(planID string) (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	price, ok := l.prices[planID]
	return price, ok
}

// buyWithin orders the profile, if it costs no more than it may. The vendor takes a price with
// the order only where it is today's, which guards against one that went up.
func (d *Driver) buyWithin(ctx context.Context, p operators.Purchase, again bool) (string, *operators.Error) {
	if p.MaxCost.Sign() == 0 {
		return d.buy(ctx, p.RequestID, p.PlanID, nil, again)
	}
	bound, err := scaled(p.MaxCost)
	if err != nil {
		return "", &operators.Error{Class: operators.Misconfigured, OneOrder: true, Message: "the bound for the plan's cost is no sum of money", Err: err}
	}
	if price, ok := d.prices.find(p.PlanID); ok && price <= bound {
		orderNo, failure := d.buy(ctx, p.RequestID, p.PlanID, &price, again)
		if failure == nil || failure.Code != codePrice && failure.Code != codeAmount {
			return orderNo, failure
		}
	}
	price, failure := d.priceOf(ctx, p.PlanID)
	switch {
	case failure != nil:
		return "", failure
	case price > bound:
		return "", &operators.Error{Class: operators.Rejected, Function: listPlans.name, Message: "the plan costs more than it may"}
	default:
		return d.buy(ctx, p.RequestID, p.PlanID, &price, again)
	}
}

// priceOf asks what a plan costs today, in dollars × 10,000.
func (d *Driver) priceOf(ctx context.Context, planID string) (int64, *operators.Error) {
	// By its slug first, which is short; one that is named by its code is in the whole list.
	for _, slug := range []string{planID, ""} {
		plans, failure := d.list(ctx, listRequest{Type: baseType, Slug: slug})
		if failure != nil {
			return 0, reading(failure)
		}
		for _, p := range plans {
			if p.Price > 0 && (string(p.Slug) == planID || string(p.PackageCode) == planID) {
				return int64(p.Price), nil
			}
		}
	}
	return 0, &operators.Error{Class: operators.Rejected, Function: listPlans.name, Message: "the vendor does not list the plan"}
}

// scaled is money as the vendor writes it, × 10,000, rounded down.
func scaled(amount money.Amount) (int64, error) {
	product, err := amount.Mul(perUnit)
	if err != nil {
		return 0, err
	}
	whole, _, _ := strings.Cut(product.String(), ".")
	number, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || number < 0 || number == math.MaxInt64 {
		return 0, errors.New("the amount is negative or too large")
	}
	return number, nil
}
