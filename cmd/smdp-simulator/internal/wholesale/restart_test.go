package wholesale

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/operatortest"
	"github.com/telcodev/esim-operator/internal/smdp"
)

// process serves all wholesalers from a folder until it ends.
func process(t *testing.T, folder string) (m *Market, control string, end func()) {
	t.Helper()
	const free = "127.0.0.1:0"
	m, err := New(Options{Addresses: map[string]string{Zendit: free, ESIMAccess: free, Airalo: free}, DataDir: folder})
	if err != nil {
		t.Fatal(err)
	}
	server, err := smdp.New(smdp.Options{ControlParts: m.ControlParts()})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Start(t.Context(), server.PKI().ServerCertificate(), server.PKI().CA), server.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	return m, server.ControlURL(), func() {
		if err := errors.Join(m.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestBooksOutliveARestart(t *testing.T) {
	for vendor, plan := range japan {
		t.Run(vendor, func(t *testing.T) {
			folder, began := t.TempDir(), time.Now()
			buy := func(m *Market, request string, fresh bool) (operators.Driver, operators.Profile) {
				t.Helper()
				driver := connect(t, m, folder, vendor)
				profile, err := driver.Provision(t.Context(), operators.Purchase{RequestID: request, PlanID: plan, Fresh: fresh, Since: began}, &operatortest.Journal{})
				if err != nil {
					t.Fatalf("%s: %v", request, err)
				}
				return driver, profile
			}
			shown := func(control string) (l ledger) {
				t.Helper()
				if err := json.Unmarshal([]byte(tell(t, http.MethodGet, control+"/"+vendor+"/ledger", "")), &l); err != nil {
					t.Fatal(err)
				}
				return l
			}

			m, control, end := process(t, folder)
			_, kept := buy(m, "kept", true)
			driver, returned := buy(m, "returned", true)
			err := driver.GiveBack(t.Context(), operators.Held{RequestID: "returned", ICCID: returned.ICCID, Since: began})
			if err != nil && !errors.Is(err, operators.ErrNotReturnable) {
				t.Fatal(err)
			}
			_, used := buy(m, "used", true)
			if vendor != Airalo {
				tell(t, http.MethodPost, control+"/"+vendor+"/profiles/"+string(used.ICCID)+"/install", "")
			}
			tell(t, http.MethodPost, control+"/"+vendor+"/profiles/"+string(used.ICCID)+"/use", "")
			before := shown(control)
			end()

			m, control, end = process(t, folder)
			defer end()
			if diff := cmp.Diff(before, shown(control)); diff != "" {
				t.Errorf("the ledger (-before +after):\n%s", diff)
			}
			driver, found := buy(m, "kept", false)
			if found.ICCID != kept.ICCID || !found.MatchingID.Equal(kept.MatchingID) || found.SMDPAddress != kept.SMDPAddress {
				t.Errorf("the purchase is found as %s, want %s", found.ICCID, kept.ICCID)
			}
			life, err := driver.(operators.Tracker).Track(t.Context(), operators.Tracked{RequestID: "used", ICCID: used.ICCID})
			if err != nil || !life.Installed {
				t.Errorf("what was used is %+v, %v", life, err)
			}
			_, next := buy(m, "next", true)
			for _, old := range before.Purchases {
				if next.ICCID == old.ICCID {
					t.Errorf("%s was sold twice", next.ICCID)
				}
			}
			if got := shown(control); got.Bought != before.Bought+1 || got.GivenBack != before.GivenBack {
				t.Errorf("in the end it sold %d, and took %d back", got.Bought, got.GivenBack)
			}
		})
	}
}
