package airalo

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

func TestReadingAProfile(t *testing.T) {
	const good = `{"iccid":"89444210000000000017","lpa":"rsp.example.com","matching_id":"AB-12","qrcode":"LPA:1$lpa.example.net$CD34","confirmation_code":null}`
	for name, c := range map[string]struct {
		old, replacement  string
		address, matching string
		err               error
	}{
		"the QR code counts":                {"", "", "lpa.example.net", "CD34", nil},
		"without one, its parts do":         {`LPA:1$lpa.example.net$CD34`, ``, "rsp.example.com", "AB-12", nil},
		"one that makes no code is none":    {`LPA:1$`, `https://`, "rsp.example.com", "AB-12", nil},
		"ICCID padded":                      {`89444210000000000017`, `8944421000000000001F`, "lpa.example.net", "CD34", nil},
		"ICCID as a number":                 {`"89444210000000000017"`, `8944421000000000001`, "lpa.example.net", "CD34", nil},
		"no ICCID":                          {`89444210000000000017`, `none`, "", "", errNoICCID},
		"no matching ID":                    {`$CD34`, `$`, "", "", errNoCode},
		"a matching ID of other characters": {`$CD34`, `$cd34`, "", "", errNoCode},
		"an address that is none":           {`lpa.example.net`, `10.0.0.1`, "rsp.example.com", "AB-12", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var s sim
			if err := webapi.Decode([]byte(strings.Replace(good, c.old, c.replacement, 1)), &s); err != nil {
				t.Fatal(err)
			}
			profile, err := s.profile()
			if !errors.Is(err, c.err) || (c.err == nil) != (err == nil) {
				t.Fatalf("got %v, want %v", err, c.err)
			}
			if profile.SMDPAddress != c.address || profile.MatchingID.Reveal() != c.matching {
				t.Errorf("got %s and another matching ID than %s", profile.SMDPAddress, c.matching)
			}
		})
	}
}

func TestTheOldestOrderThatWasBoughtIsTheOne(t *testing.T) {
	of := func(id int, status webapi.Text) order {
		o := order{ID: webapi.Int(id)}
		o.Status.Slug = status
		return o
	}
	for name, c := range map[string]struct {
		orders []order
		want   webapi.Int
	}{
		"one":                           {[]order{of(3, "completed")}, 3},
		"newest first":                  {[]order{of(3, "completed"), of(2, "completed")}, 2},
		"oldest first":                  {[]order{of(2, ""), of(3, "completed")}, 2},
		"an older one failed":           {[]order{of(3, "completed"), of(2, statusFailed)}, 3},
		"an older one failed, at first": {[]order{of(2, statusFailed), of(3, "completed"), of(4, "completed")}, 3},
		"all failed":                    {[]order{of(3, statusFailed), of(2, statusRefunded)}, 2},
	} {
		if got := oldest(c.orders); got.ID != c.want {
			t.Errorf("%s: got %d, want %d", name, got.ID, c.want)
		}
	}
}

func TestWhatIsNoListIsNotAnEmptyOne(t *testing.T) {
	full := `{"data":[` + strings.TrimSuffix(strings.Repeat(`{"description":"a"},`, listed), ",") + `]}`
	for name, c := range map[string]struct {
		body string
		page int
		want error
	}{
		"an empty list":                      {`{"data":[],"meta":{"current_page":1,"last_page":1}}`, 1, nil},
		"a short one without pages":          {`{"data":{"0":{"description":"a"}}}`, 1, nil},
		"a full one without pages":           {full, 1, errNoPaging},
		"another page":                       {`{"data":[],"meta":{"current_page":"1","last_page":3}}`, 2, errNoPaging},
		"no list":                            {`{"meta":{"current_page":1,"last_page":1}}`, 1, errNoOrder},
		"null":                               {`{"data":null,"meta":{"current_page":1,"last_page":1}}`, 1, errNoOrder},
		"orders without descriptions":        {`{"data":[{"id":1}],"meta":{"current_page":1,"last_page":1}}`, 1, errNoCaption},
		"an order whose description is null": {`{"data":[{"id":1,"description":null}]}`, 1, errNoCaption},
	} {
		t.Run(name, func(t *testing.T) {
			var l orderList
			if err := webapi.Decode([]byte(c.body), &l); err != nil {
				t.Fatal(err)
			}
			if err := l.check(c.page); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestLooksForAnOrderAreNeitherHurriedNorLate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		settle := time.Duration(rapid.Int64Range(int64(leastSettling), int64(24*time.Hour)).Draw(t, "settle"))
		wait := time.Duration(rapid.Int64Range(1, int64(settle)+int64(2*time.Minute)).Draw(t, "wait"))
		next := nextLook(wait, settle)
		if next <= 0 || next > wait || next > mostWait || next < min(wait, leastWait) {
			t.Fatalf("%v before an order is settled after %v, the next look is in %v", wait, settle, next)
		}
	})
}

// FuzzOrder: whatever Airalo answers, a profile is whole or there is none, and no error repeats
// what came.
func FuzzOrder(f *testing.F) {
	for _, seed := range []string{
		`{"id":1,"description":"r","status":{"slug":"completed"},"sims":[{"iccid":"8944421000000000001","qrcode":"LPA:1$a.b$C"}]}`,
		`{"id":"1","sims":{"0":{"iccid":8944421000000000001,"lpa":"a.b","matching_id":"C","confirmation_code":"9"}}}`,
		`{"sims":{"x":1}}`, `{"sims":[[]]}`, `[]`, ``, `{"status":null,"sims":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var o order
		if err := webapi.Decode(body, &o); err != nil {
			return
		}
		profile, failure := o.profile(submitOrder)
		if failure != nil {
			if failure.Class != operators.Busy && failure.Class != operators.OutcomeUnknown {
				t.Fatalf("an order that was bought is %s", failure.Class)
			}
			return
		}
		if _, err := activation.ParseICCID(string(profile.ICCID)); err != nil {
			t.Fatal(err)
		}
		if profile.MatchingID.Empty() || profile.SMDPAddress == "" {
			t.Fatal("the profile is not whole")
		}
		if text, err := json.Marshal(profile); err != nil || strings.Contains(string(text), `"`+profile.MatchingID.Reveal()+`"`) && profile.MatchingID.Reveal() != string(profile.ICCID) && profile.MatchingID.Reveal() != profile.SMDPAddress {
			t.Fatalf("the profile shows its matching ID, or cannot be written: %v", err)
		}
	})
}
