package zendit

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
	"github.com/telcodev/esim-operator/internal/operators/zendit/zenditfake"
)

// shown is a plan in types that can be compared.
type shown struct {
	ID, Name, Countries, Region, DataGB, Cost string
	Days                                      int32
	Inactive                                  bool
}

func show(p operators.Plan) shown {
	return shown{
		ID: p.ID, Name: p.Name, Countries: strings.Join(p.Countries, " "), Region: p.Region, DataGB: p.DataGB.String(),
		Cost: p.Cost.String() + " " + p.Currency, Days: p.Days, Inactive: p.Inactive,
	}
}

func TestOffersAreReadInOurUnits(t *testing.T) {
	const cost = `"cost":{"currency":"USD","currencyDivisor":100,"fixed":450,"fee":25},"priceType":"FIXED","enabled":true`
	for name, tc := range map[string]struct {
		offer string
		want  *shown
	}{
		"one country": {
			`{"offerId":"A","country":"JP","dataGB":1.5,"durationDays":7,"shortNotes":"1.5 GB\n for 7 days",` + cost + `}`,
			&shown{ID: "A", Name: "1.5 GB for 7 days", Countries: "JPN", DataGB: "1.5", Days: 7, Cost: "4.75 USD"},
		},
		"a region by its name": {
			`{"offerId":"B","brand":"X","regions":["Western Europe","Eastern Europe"],"roaming":[{"country":"FR"},{"country":"UK"},{"country":"FR"}],"dataGB":"3","durationDays":"30",` + cost + `}`,
			&shown{ID: "B", Name: "X B", Countries: "FRA GBR", Region: "XEU", DataGB: "3", Days: 30, Cost: "4.75 USD"},
		},
		"a region that we do not know": {
			`{"offerId":"C","regions":["Atlantis"],"roaming":{"0":{"country":"JP"},"1":{"country":"US"}},"dataGB":3,"durationDays":30,` + cost + `}`,
			&shown{ID: "C", Name: "C", Countries: "JPN USA", Region: "GLO", DataGB: "3", Days: 30, Cost: "4.75 USD"},
		},
		"two regions that differ": {
			`{"offerId":"M","regions":["Asia","Oceania"],"roaming":[{"country":"JP"},{"country":"AU"}],"dataGB":3,"durationDays":30,` + cost + `}`,
			&shown{ID: "M", Name: "M", Countries: "AUS JPN", Region: "XAS", DataGB: "3", Days: 30, Cost: "4.75 USD"},
		},
		"no end of data": {
			`{"offerId":"D","country":"JP","dataGB":5,"dataUnlimited":"true","durationDays":7,` + cost + `}`,
			&shown{ID: "D", Name: "D", Countries: "JPN", DataGB: "0", Days: 7, Cost: "4.75 USD"},
		},
		"not sold": {
			`{"offerId":"E","country":"JP","dataGB":1,"durationDays":7,"cost":{"currency":"JPY","currencyDivisor":1,"fixed":450},"enabled":false}`,
			&shown{ID: "E", Name: "E", Countries: "JPN", DataGB: "1", Days: 7, Cost: "450 JPY", Inactive: true},
		},
		"minutes only":        {`{"offerId":"F","country":"JP","dataGB":0,"durationDays":7,` + cost + `}`, nil},
		"no country":          {`{"offerId":"G","dataGB":1,"durationDays":7,` + cost + `}`, nil},
		"an unknown country":  {`{"offerId":"H","country":"ZZ","dataGB":1,"durationDays":7,` + cost + `}`, nil},
		"no days":             {`{"offerId":"I","country":"JP","dataGB":1,` + cost + `}`, nil},
		"a price that ranges": {`{"offerId":"J","country":"JP","dataGB":1,"durationDays":7,"cost":{"currency":"USD","fixed":1},"priceType":"RANGE"}`, nil},
		"no price":            {`{"offerId":"K","country":"JP","dataGB":1,"durationDays":7,"cost":{"currency":"USD"}}`, nil},
		"a price below 0":     {`{"offerId":"L","country":"JP","dataGB":1,"durationDays":7,"cost":{"currency":"USD","fixed":-1}}`, nil},
		"no ID":               {`{"country":"JP","dataGB":1,"durationDays":7,` + cost + `}`, nil},
	} {
		var read offer
		if err := webapi.Decode([]byte(tc.offer), &read); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		plan, ok := read.plan()
		if tc.want == nil {
			if ok {
				t.Errorf("%s: it is sold as %+v", name, show(plan))
			}
			continue
		}
		if diff := cmp.Diff(*tc.want, show(plan)); diff != "" || !ok {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestMoneyIsExactWhateverItsDivisor(t *testing.T) {
	for _, tc := range []struct {
		minor, code string
		divisor     int64
		want        string
	}{
		{"450", "USD", 100, "4.5 USD"}, {"450", "usd", 0, "4.5 USD"}, {"450", "JPY", 0, "450 JPY"}, {"1", "KWD", 1000, "0.001 KWD"},
		{"12.5", "USD", 100, "0.125 USD"}, {"7", "USD", 1, "7 USD"}, {"1", "USD", 100000000, "0.00000001 USD"},
		{"1", "USD", 30, ""}, {"1", "USD", -100, ""}, {"1", "USD", 1000000000, ""}, {"1", "ZZZ", 100, ""}, {"1", "", 100, ""},
	} {
		var minor webapi.Number
		if err := webapi.Decode([]byte(tc.minor), &minor); err != nil {
			t.Fatal(err)
		}
		got := ""
		if amount, currency, err := inMajor(minor.Amount, tc.code, tc.divisor); err == nil {
			got = amount.String() + " " + currency
		}
		if got != tc.want {
			t.Errorf("%s %s / %d: got %q, want %q", tc.minor, tc.code, tc.divisor, got, tc.want)
		}
	}
}

func TestAConfirmationIsReadInEitherForm(t *testing.T) {
	const iccid, address = "8944110000000000018", "rsp.example.com"
	for name, tc := range map[string]struct {
		code, address, iccid string
		ok                   bool
	}{
		"matching ID and address":    {"MATCH-1", address, iccid, true},
		"a whole code":               {"LPA:1$" + address + "$MATCH-1", "", iccid, true},
		"a whole code counts more":   {"LPA:1$" + address + "$MATCH-1", "other.example.com", iccid, true},
		"an ICCID with F":            {"MATCH-1", address, iccid + "F", true},
		"no code":                    {"", address, iccid, false},
		"no address":                 {"MATCH-1", "", iccid, false},
		"an address with a path":     {"MATCH-1", "https://rsp.example.com/x", iccid, false},
		"no ICCID":                   {"MATCH-1", address, "", false},
		"a code that is cut":         {"LPA:1$" + address, address, iccid, false},
		"a code with an empty item":  {"LPA:1$" + address + "$", address, iccid, false},
		"a matching ID with a blank": {"MATCH 1", address, iccid, false},
	} {
		var p purchase
		p.Confirmation.ActivationCode, p.Confirmation.SMDPAddress, p.Confirmation.ICCID = webapi.Text(tc.code), webapi.Text(tc.address), webapi.Text(tc.iccid)
		got, err := p.profile()
		if (err == nil) != tc.ok {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if err != nil {
			if strings.Contains(err.Error(), "MATCH") {
				t.Errorf("%s: the error repeats the code: %v", name, err)
			}
			continue
		}
		if got.ICCID != iccid || got.SMDPAddress != address || got.MatchingID.Reveal() != "MATCH-1" {
			t.Errorf("%s: got %s, %q", name, got.ICCID, got.SMDPAddress)
		}
	}
}

func TestTheLifeOfAnESIMIsThatOfItsPlans(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 5, n, 10, 0, 0, 0, time.UTC) }
	for name, tc := range map[string]struct {
		installedAt time.Time
		installed   bool
		plans       []plan
		want        operators.Life
	}{
		"not installed":                {plans: []plan{{Status: "QUEUED"}}},
		"installed":                    {day(1), true, []plan{{Status: "QUEUED"}}, operators.Life{Installed: true, InstalledTime: day(1)}},
		"installed, nobody knows when": {time.Time{}, true, nil, operators.Life{Installed: true}},
		"used": {
			day(1), true, []plan{{Status: "ACTIVE", StartAt: "2026-05-02T10:00:00Z", EndAt: "2026-05-09T12:00:00+02:00"}},
			operators.Life{Installed: true, InstalledTime: day(1), UsedTime: day(2), ExpiryTime: day(9)},
		},
		"two plans": {
			day(1), true, []plan{{StartAt: "2026-05-09T10:00:00Z", EndAt: "2026-05-16T10:00:00Z"}, {StartAt: "2026-05-02T10:00:00Z", EndAt: "2026-05-09T10:00:00Z"}},
			operators.Life{Installed: true, InstalledTime: day(1), UsedTime: day(2), ExpiryTime: day(16)},
		},
		"used, and never said to be installed": {
			plans: []plan{{StartAt: "2026-05-02 10:00:00", EndAt: "soon"}}, want: operators.Life{Installed: true, UsedTime: day(2)},
		},
	} {
		if diff := cmp.Diff(tc.want, lived(tc.installedAt, tc.installed, tc.plans)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestALargeCatalogueIsReadToItsEnd(t *testing.T) {
	in(t, zenditfake.Options{}, func(t *testing.T, v *vendor, d *Driver) {
		v.fake.Grow(5_000)
		count, regional := 0, 0
		for plan, err := range d.Plans(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			count++
			if plan.Region == "GLO" {
				regional++
			}
		}
		if count != 5_004 || regional != 500 {
			t.Errorf("%d plans, of which %d are for all the world", count, regional)
		}
		for range d.Plans(t.Context()) {
			break // who has had enough is asked for no more
		}
		if calls := v.called(functionOffers); calls != 52 {
			t.Errorf("%d pages were fetched", calls)
		}
	})
}

func TestOnlyZenditsWebhooksAreGenuine(t *testing.T) {
	const name = "X-Webhook-Secret"
	want := activation.NewCredential("s3cret")
	for told, tc := range map[string]struct {
		header http.Header
		name   string
		want   activation.Credential
		ok     bool
	}{
		"the right one":      {http.Header{name: {"s3cret"}}, name, want, true},
		"in another case":    {http.Header{name: {"s3cret"}}, "x-webhook-secret", want, true},
		"another value":      {http.Header{name: {"S3cret"}}, name, want, false},
		"none":               {http.Header{}, name, want, false},
		"twice":              {http.Header{name: {"s3cret", "s3cret"}}, name, want, false},
		"nothing to expect":  {http.Header{name: {""}}, name, activation.Credential{}, false},
		"no name to look at": {http.Header{"": {"s3cret"}}, "", want, false},
	} {
		if got := WebhookGenuine(tc.header, tc.name, tc.want); got != tc.ok {
			t.Errorf("%s: got %v", told, got)
		}
	}
}

func FuzzWebhookHint(f *testing.F) {
	f.Add([]byte(`{"transactionId":"req-1","status":"DONE","confirmation":{"activationCode":"MATCH-1"}}`))
	f.Add([]byte(`{"transactionId":["req-1"]}`))
	f.Add([]byte(`{"transactionId":7}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		requestID, err := WebhookHint(body)
		if (err == nil) == (requestID == "") || len(requestID) > 256 {
			t.Errorf("got %q, %v", requestID, err)
		}
	})
}

func TestAWebhookNamesItsPurchaseAndNothingElseIsTakenFromIt(t *testing.T) {
	for body, want := range map[string]string{
		`{"transactionId":"req-1","status":"DONE"}`: "req-1", `{"transactionId":7}`: "7", `{}`: "", `[]`: "", ``: "", `{"transactionId":"` + strings.Repeat("x", 257) + `"}`: "",
	} {
		if got, err := WebhookHint([]byte(body)); got != want || (err == nil) != (want != "") {
			t.Errorf("%.40s: got %q, %v, want %q", body, got, err, want)
		}
	}
}
