package zendit

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// FuzzPurchase: whatever Zendit's books hold, a profile is whole or there is none, it makes an
// activation code, and neither it nor an error shows the matching ID.
func FuzzPurchase(f *testing.F) {
	for _, seed := range []string{
		`{"transactionId":"r-1","status":"DONE","confirmation":{"iccid":"8944421000000000001","smdpAddress":"rsp.example.com","activationCode":"LPA:1$rsp.example.com$K3TQX9ZW7VJ2M4PBN8RD"}}`,
		`{"transactionId":"r-1","status":"DONE","confirmation":{"iccid":8944421000000000001,"smdpAddress":"rsp.example.com","activationCode":"K3TQX9ZW7VJ2M4PBN8RD"}}`,
		`{"transactionId":"r-1","status":"DONE","confirmation":{"iccid":"8944421000000000001","smdpAddress":"a$b","activationCode":"K$1$$"}}`,
		`{"transactionId":"r-1","status":"FAILED"}`, `{"transactionId":7,"status":"ACCEPTED","confirmation":null}`, `{"status":"?"}`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var bought purchase
		if webapi.Decode(body, &bought) != nil {
			return
		}
		if bought.check("r-1") == nil && (bought.TransactionID != "r-1" || bought.Status == "") {
			t.Fatalf("took another's purchase: %s", body)
		}
		profile, err := bought.profile()
		written := string(bought.Confirmation.ActivationCode)
		if err != nil {
			if len(written) > 24 && strings.Contains(err.Error(), written) {
				t.Fatalf("the error repeats the activation code: %v", err)
			}
			return
		}
		if _, err := activation.ParseICCID(string(profile.ICCID)); err != nil || profile.MatchingID.Empty() || profile.SMDPAddress == "" {
			t.Fatalf("the profile is not whole: %v", err)
		}
		code := activation.Code{SMDPAddress: profile.SMDPAddress, MatchingID: profile.MatchingID}
		if _, err := code.LPA(); err != nil && !strings.Contains(err.Error(), "characters long") {
			t.Fatalf("the profile makes no activation code: %v", err)
		}
		id := profile.MatchingID.Reveal()
		if text, err := json.Marshal(profile); err != nil || len(id) > 8 && strings.Contains(string(text), id) && !strings.Contains(profile.SMDPAddress+string(profile.ICCID), id) {
			t.Fatalf("the profile shows its matching ID, or cannot be written: %v", err)
		}
	})
}

// FuzzOffer: an offer that can be sold has all that a product needs of it.
func FuzzOffer(f *testing.F) {
	for _, seed := range []string{
		`{"offerId":"JP-1GB","country":"JP","dataGB":1,"durationDays":7,"enabled":true,"priceType":"FIXED","cost":{"currency":"USD","currencyDivisor":100,"fixed":350,"fee":0},"shortNotes":"1 GB"}`,
		`{"offerId":"EU","regions":["Europe"],"roaming":[{"country":"FR"},{"country":"DE"}],"dataUnlimited":"true","durationDays":"30","cost":{"currency":"USD","currencyDivisor":"100","fixed":"9.5"}}`,
		`{"offerId":"X","country":"??","durationDays":1e12,"cost":{"currencyDivisor":0}}`, `{"roaming":{"0":{"country":"ZZ"}}}`, `{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var listed offer
		if webapi.Decode(body, &listed) != nil {
			return
		}
		plan, sold := listed.plan()
		if !sold {
			return
		}
		if plan.ID == "" || plan.Days < 1 || plan.Cost.Sign() < 0 || plan.Currency == "" || plan.DataGB.Sign() < 0 || len(plan.Countries) == 0 ||
			plan.DataGB.Sign() == 0 && !bool(listed.DataUnlimited) {
			t.Fatalf("sells %+v", plan)
		}
		if utf8.RuneCountInString(plan.Name) > maxName || strings.ContainsAny(plan.Name, "\r\n") {
			t.Fatalf("it is called %q", plan.Name)
		}
	})
}

// FuzzLife: what is used is on a device, and what no plan tells is not known.
func FuzzLife(f *testing.F) {
	for _, seed := range []string{
		`[{"status":"ACTIVE","startAt":"2036-01-17T12:00:00Z","endAt":"2036-01-24T12:00:00Z"}]`,
		`{"0":{"startAt":"2036-01-17 12:00:00"},"1":{"startAt":"x","endAt":7}}`, `[]`, `null`,
	} {
		f.Add([]byte(seed), "2036-01-17T12:00:00.5")
		f.Add([]byte(seed), "")
	}
	f.Fuzz(func(t *testing.T, list []byte, installedAt string) {
		var plans webapi.List[plan]
		if webapi.Decode(list, &plans) != nil {
			return
		}
		life := lived(moment(webapi.Text(installedAt)), installedAt != "", plans)
		if !life.UsedTime.IsZero() && !life.Installed {
			t.Fatal("used, and on no device")
		}
		if len(plans) == 0 && (!life.UsedTime.IsZero() || !life.ExpiryTime.IsZero()) {
			t.Fatalf("knows of no plan that it is %+v", life)
		}
		for _, at := range []time.Time{life.InstalledTime, life.UsedTime, life.ExpiryTime} {
			if !at.IsZero() && at.Location() != time.UTC {
				t.Fatalf("a time in %s", at.Location())
			}
		}
	})
}
