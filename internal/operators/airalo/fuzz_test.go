package airalo

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// FuzzCatalogue: whatever a page of the catalogue holds, a plan that can be sold has all that a
// product needs of it.
func FuzzCatalogue(f *testing.F) {
	for _, seed := range []string{
		`{"data":[{"country_code":"JP","operators":[{"countries":[{"country_code":"JP"}],"packages":[{"id":"moshi-7","type":"sim","day":7,"amount":1024,"net_price":3.5}]}]}],"meta":{"current_page":1,"last_page":2}}`,
		`{"data":{"0":{"country_code":"","title":"Europe","operators":{"0":{"countries":[],"packages":[{"id":"e","day":"30","is_unlimited":"true","prices":{"net_price":{"USD":"9.00"}}}]}}}},"meta":{"current_page":"1","last_page":1}}`,
		`{"data":[{"country_code":"XX","operators":[{"packages":[{"id":"x","day":1e9,"amount":-1,"net_price":"-2"}]}]}]}`,
		`{"data":[{"operators":[{"packages":[{"prices":{"net_price":[]}}]}]}]}`, `{"data":null}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var page cataloguePage
		if webapi.Decode(body, &page) != nil {
			return
		}
		if page.Meta.check(1) == nil && (page.Meta.CurrentPage != 1 || page.Meta.LastPage < 0) {
			t.Fatalf("took %+v for the first page", page.Meta)
		}
		for i := range page.Data {
			for plan, sold := range page.Data[i].plans(DefaultCurrency) {
				if !sold {
					continue
				}
				if plan.ID == "" || plan.Days < 1 || plan.Cost.Sign() < 0 || plan.DataGB.Sign() < 0 || len(plan.Countries) == 0 || !slices.IsSorted(plan.Countries) {
					t.Fatalf("sells %+v", plan)
				}
			}
		}
	})
}

// FuzzUsage: an answer about a SIM never unlearns that it is on a device, unless it says so, and
// makes no time out of what is none.
func FuzzUsage(f *testing.F) {
	for _, seed := range []string{
		`{"status":"ACTIVE","remaining":767,"total":2048,"expired_at":"2036-01-01 00:00:00"}`,
		`{"status":"NOT_ACTIVE","remaining":2048,"total":2048}`, `{"status":"EXPIRED","remaining":"0","total":"2048","expired_at":"x"}`,
		`{"status":"FINISHED","expired_at":"2036-01-01T00:00:00Z"}`, `{"status":"RECYCLED"}`, `{}`, `null`,
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, wasInstalled bool) {
		var heard usage
		if webapi.Decode(body, &heard) != nil {
			return
		}
		life := heard.life(operators.Life{Installed: wasInstalled})
		if wasInstalled && !life.Installed && heard.Status != usageNotActive {
			t.Fatalf("%q had it leave its device", heard.Status)
		}
		if !life.ExpiryTime.IsZero() && life.ExpiryTime.Location() != time.UTC {
			t.Fatalf("the expiry is in %s", life.ExpiryTime.Location())
		}
	})
}

// FuzzToken: a token that is used can stand in a header, lives a while and not for ever, and no
// error repeats it.
func FuzzToken(f *testing.F) {
	for _, seed := range []string{
		`{"data":{"token_type":"Bearer","expires_in":31622400,"access_token":"eyJ0eXAiOiJKV1Qi"}}`,
		`{"data":{"expires_in":"60","access_token":"t"}}`, `{"data":{"expires_in":-1,"access_token":"t"}}`,
		`{"data":{"expires_in":9e18,"access_token":"t"}}`, `{"data":{"access_token":"a\r\nb: c"}}`, `{"data":[]}`, `{}`,
	} {
		f.Add([]byte(seed))
	}
	now := time.Date(2036, 1, 17, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		fresh, err := readToken(body, now)
		if err != nil {
			if len(body) > 40 && strings.Contains(err.Error(), string(body)) {
				t.Fatal("the error repeats the answer")
			}
			return
		}
		token := fresh.token.Reveal()
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("took the token %q", token)
		}
		if life := fresh.until.Sub(now); life < time.Second || life > maxTokenLifetime {
			t.Fatalf("the token is used for %s", life)
		}
	})
}

// FuzzOrderList: a list that is believed is the page that was asked for, and tells whose each
// order is.
func FuzzOrderList(f *testing.F) {
	for _, seed := range []string{
		`{"data":[{"id":1,"description":"r-1","sims":[]}],"meta":{"current_page":1,"last_page":1}}`,
		`{"data":[],"meta":[]}`, `{"data":[{"id":1}]}`, `{"data":null}`, `{"data":{"0":{"description":""}},"meta":{"current_page":"2","last_page":"-1"}}`,
	} {
		f.Add([]byte(seed), uint8(1))
		f.Add([]byte(seed), uint8(2))
	}
	f.Fuzz(func(t *testing.T, body []byte, asked uint8) {
		var list orderList
		if webapi.Decode(body, &list) != nil || list.check(int(asked)) != nil {
			return
		}
		if list.Data == nil || int(list.Meta.CurrentPage) != int(asked) && (asked != 1 || list.Meta != paging{} || len(*list.Data) >= listed) {
			t.Fatalf("took %s for page %d", body, asked)
		}
		for _, o := range *list.Data {
			if o.Description == nil {
				t.Fatal("an order that is nobody's")
			}
		}
	})
}
