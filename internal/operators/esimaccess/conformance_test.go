package esimaccess_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess/esimaccessfake"
	"github.com/telcodev/esim-operator/internal/operators/faults"
	"github.com/telcodev/esim-operator/internal/operators/operatortest"
)

// What every test buys, and as whom.
const (
	plan       = "JP_1_7"
	accessCode = "c0ffee1234567890c0ffee1234567890"
	secretKey  = "f00dfeed0987654321f00dfeed"
)

// vendor is the fake on a network in memory.
type vendor struct {
	*operatortest.Server
	*esimaccessfake.Vendor
}

// newVendor begins a fake that has plenty of plan.
func newVendor(t testing.TB, options esimaccessfake.Options) *vendor {
	t.Helper()
	options.AccessCode, options.Secret = accessCode, secretKey
	fake := esimaccessfake.New(options)
	fake.AddPackage(esimaccessfake.Package{
		Code: "CKH101", Slug: plan, Name: "Japan 1GB 7Days", Price: 15_000, Volume: 1 << 30, Duration: 7, Location: "JP",
	})
	return &vendor{operatortest.Serve(t, fake, esimaccessfake.FunctionOf), fake}
}

// config of a driver to the fake.
func (v *vendor) config() esimaccess.Config {
	return esimaccess.Config{
		BaseURL: v.URL + "/api/v1/open", CAPEM: v.CA, Dial: v.Dial,
		AccessCode: activation.NewCredential(accessCode), SecretKey: activation.NewCredential(secretKey),
		InFlight: 4, SettleAfter: settleAfter,
	}
}

const settleAfter = 10 * time.Minute

// Connect makes a driver.
func (v *vendor) Connect(t testing.TB, c operatortest.Connection) operators.Driver {
	t.Helper()
	config := v.config()
	config.Guard, config.OnCall, config.Timeout = c.Guard, c.OnCall, c.Timeout
	return v.driver(t, config)
}

func (*vendor) driver(t testing.TB, config esimaccess.Config) *esimaccess.Driver {
	t.Helper()
	driver, err := esimaccess.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(driver.Close)
	return driver
}

// Install puts a profile on a device.
func (v *vendor) Install(t testing.TB, iccid activation.ICCID) {
	t.Helper()
	if err := v.Vendor.Install(string(iccid)); err != nil {
		t.Fatal(err)
	}
}

// Secrets are the account's credentials and the matching IDs of all profiles.
func (v *vendor) Secrets() []string {
	return append(v.MatchingIDs(), accessCode, secretKey)
}

func TestConformance(t *testing.T) {
	for name, duplicate := range map[string]esimaccessfake.Duplicate{
		"a duplicate is the first order":  esimaccessfake.DuplicateSame,
		"a duplicate is refused":          esimaccessfake.DuplicateRefused,
		"a duplicate is bought once more": esimaccessfake.DuplicateBuys,
	} {
		t.Run(name, func(t *testing.T) {
			operatortest.Run(t, operatortest.Subject{
				Start: func(t *testing.T) operatortest.Vendor {
					return newVendor(t, esimaccessfake.Options{Duplicate: duplicate, ListDelay: time.Minute})
				},
				Plan:      plan,
				Buys:      []string{string(esimaccessfake.Order)},
				Returns:   []string{string(esimaccessfake.Cancel)},
				Refusals:  refusals(),
				Tolerates: []faults.Kind{faults.NumbersAsStrings, faults.ObjectsForLists, faults.BooleansAsStrings},
				UniqueKey: duplicate != esimaccessfake.DuplicateBuys,
			})
		})
	}
}

// refusals are the vendor's errorCodes in answer to an order, and what they mean.
func refusals() []operatortest.Refusal {
	list := []operatortest.Refusal{
		{Name: "a plan that is not sold", Plan: "XX_1_7", Want: operators.Rejected, Code: "310241"},
		{Name: "a plan of which none is left", Want: operators.OutOfStock, Code: "200011", Arrange: func(_ testing.TB, v operatortest.Vendor) {
			v.(*vendor).SetStock(plan, 0)
		}},
		{Name: "an account that is empty", Want: operators.Misconfigured, Code: "200007", Arrange: func(_ testing.TB, v operatortest.Vendor) {
			v.(*vendor).SetBalance(0)
		}},
	}
	for code, want := range map[string]operators.Class{
		"000101": operators.Misconfigured, "000104": operators.Misconfigured, "000107": operators.Misconfigured,
		"101001": operators.Transient, "101002": operators.Misconfigured, "101003": operators.Misconfigured,
		"200002": operators.Rejected, "200005": operators.Rejected, "200006": operators.Rejected, "200009": operators.Rejected,
		"310243": operators.Rejected, "310403": operators.Rejected, "900001": operators.Busy,
	} {
		list = append(list, refusal(code, want))
	}
	parameters := refusal("200008", operators.Misconfigured)
	parameters.OneOrder = true
	list = append(list, parameters)
	slices.SortFunc(list, func(a, b operatortest.Refusal) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func refusal(code string, want operators.Class) operatortest.Refusal {
	return operatortest.Refusal{Name: "with " + code, Want: want, Code: code, Arrange: func(_ testing.TB, v operatortest.Vendor) {
		v.(*vendor).Vendor.Refuse(esimaccessfake.Order, code)
	}}
}
