package wholesale

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/airalo"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess"
	"github.com/telcodev/esim-operator/internal/operators/operatortest"
	"github.com/telcodev/esim-operator/internal/operators/zendit"
	"github.com/telcodev/esim-operator/internal/smdp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open serves all wholesalers, with the control API before them.
func open(t *testing.T) (m *Market, folder, control string) {
	t.Helper()
	folder = t.TempDir()
	const free = "127.0.0.1:0"
	m, err := New(Options{Addresses: map[string]string{Zendit: free, ESIMAccess: free, Airalo: free}, DataDir: folder})
	if err != nil {
		t.Fatal(err)
	}
	server, err := smdp.New(smdp.Options{ControlParts: m.ControlParts()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(m.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(m.Start(t.Context(), server.PKI().ServerCertificate(), server.PKI().CA), server.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	return m, folder, server.ControlURL()
}

// credential as a Secret made of the folder would hold it.
func credential(t *testing.T, folder, vendor, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, "wholesalers", vendor, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// connect makes the driver of a wholesaler from what the data folder holds.
func connect(t *testing.T, m *Market, folder, vendor string) operators.Driver {
	t.Helper()
	of := func(name string) string { return credential(t, folder, vendor, name) }
	secret := func(name string) activation.Credential { return activation.NewCredential(of(name)) }
	base, ca := "https://"+m.Address(vendor), []byte(of("ca.crt"))
	var driver operators.Driver
	var err error
	switch vendor {
	case Zendit:
		driver, err = zendit.New(zendit.Config{BaseURL: base + "/v1", APIKey: secret(zendit.KeyAPIKey), CAPEM: ca})
	case ESIMAccess:
		driver, err = esimaccess.New(esimaccess.Config{
			BaseURL: base + "/api/v1/open", AccessCode: secret(esimaccess.AccessCodeKey), SecretKey: secret(esimaccess.SecretKeyKey), CAPEM: ca,
		})
	case Airalo:
		driver, err = airalo.New(airalo.Config{
			BaseURL: base + "/v2", ClientID: of(airalo.KeyClientID), ClientSecret: secret(airalo.KeyClientSecret), CAPEM: ca,
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(driver.Close)
	return driver
}

// ask sends a request to the control API and returns the status and the answer.
func ask(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

// tell is ask for what must be accepted.
func tell(t *testing.T, method, url, body string) string {
	t.Helper()
	status, answer := ask(t, method, url, body)
	if status >= http.StatusBadRequest {
		t.Fatalf("%s %s: %d %s", method, url, status, answer)
	}
	return answer
}

// japan is one week in Japan, by each wholesaler's name for it.
var japan = map[string]string{Zendit: "ESIM-JP-7D-1GB-NOROAM", ESIMAccess: "JP_1_7", Airalo: "jp-7days-1gb"}

func TestEveryDriverBuysWithTheCredentialsOfTheFolder(t *testing.T) {
	m, folder, control := open(t)
	for vendor, plan := range japan {
		driver := connect(t, m, folder, vendor)
		profile, err := driver.Provision(t.Context(), operators.Purchase{RequestID: "order-1", PlanID: plan, Fresh: true, Since: time.Now()}, &operatortest.Journal{})
		if err != nil {
			t.Errorf("%s: %v", vendor, err)
			continue
		}
		var got ledger
		if err := json.Unmarshal([]byte(tell(t, http.MethodGet, control+"/"+vendor+"/ledger", "")), &got); err != nil {
			t.Fatal(err)
		}
		want := ledger{Bought: 1, Purchases: []Purchase{{RequestID: "order-1", ICCID: profile.ICCID}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the ledger (-want +got):\n%s", vendor, diff)
		}
		tracker, ok := driver.(operators.Tracker)
		if !ok || vendor == Airalo {
			continue
		}
		tell(t, http.MethodPost, control+"/"+vendor+"/profiles/"+string(profile.ICCID)+"/install", "")
		if life, err := tracker.Track(t.Context(), operators.Tracked{RequestID: "order-1", ICCID: profile.ICCID}); err != nil || !life.Installed {
			t.Errorf("%s: after the installation: %+v, %v", vendor, life, err)
		}
	}
}

func TestAPortThatRefusesConnectionsIsOpenAgainOnceFaultsAreCleared(t *testing.T) {
	m, folder, control := open(t)
	for vendor := range japan {
		driver := connect(t, m, folder, vendor)
		if err := driver.Probe(t.Context()); err != nil {
			t.Fatalf("%s: %v", vendor, err)
		}
		tell(t, http.MethodPost, control+"/"+vendor+"/faults", `{"kind": "refuse-connection"}`)
		if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", m.Address(vendor)); err == nil {
			t.Errorf("%s: its port is open: %v", vendor, conn.Close())
		}
		if err := driver.Probe(t.Context()); err == nil {
			t.Errorf("%s: it answers with its port closed", vendor)
		}
		tell(t, http.MethodDelete, control+"/"+vendor+"/faults", "")
		if err := driver.Probe(t.Context()); err != nil {
			t.Errorf("%s: with its port open again: %v", vendor, err)
		}
	}
}

func TestConditionsAreSetOverTheControlAPI(t *testing.T) {
	m, folder, control := open(t)
	for vendor, plan := range japan {
		driver, at := connect(t, m, folder, vendor), control+"/"+vendor
		sells := func(what, request string, want bool) {
			t.Helper()
			before := sold(t, at)
			_, err := driver.Provision(t.Context(), operators.Purchase{RequestID: request, PlanID: plan, Fresh: true, Since: time.Now()}, &operatortest.Journal{})
			if got := sold(t, at) > before; got != want || (err == nil) != want {
				t.Errorf("%s, %s: sold: %t, want %t; %v", vendor, what, got, want, err)
			}
		}
		tell(t, http.MethodPut, at+"/stock/"+plan, `{"available": 0}`)
		sells("without stock", "a", false)
		tell(t, http.MethodPut, at+"/stock/"+plan, `{"available": -1}`)
		tell(t, http.MethodPut, at+"/balance", `{"cents": 0}`)
		sells("without money", "b", false)
		tell(t, http.MethodPut, at+"/balance", `{"cents": 100000}`)
		tell(t, http.MethodPost, at+"/faults", `{"kind": "status", "status": 429, "retryAfter": "7", "times": 1}`)
		sells("too busy", "c", false)
		sells("well again", "d", true)
	}
}

// sold is how many profiles a wholesaler sold, by its ledger.
func sold(t *testing.T, at string) int {
	t.Helper()
	var found ledger
	if err := json.Unmarshal([]byte(tell(t, http.MethodGet, at+"/ledger", "")), &found); err != nil {
		t.Fatal(err)
	}
	return found.Bought
}

func TestTheControlAPITellsWhatIsWrong(t *testing.T) {
	_, _, control := open(t)
	for _, tt := range []struct{ method, path, body, says string }{
		{http.MethodPost, "/zendit/faults", `{"kind": "earthquake"}`, "earthquake"},
		{http.MethodPost, "/zendit/faults", `{"kindness": 1}`, "kindness"},
		{http.MethodPut, "/zendit/stock/NO-SUCH-PLAN", `{"available": 1}`, "NO-SUCH-PLAN"},
		{http.MethodPut, "/esim-access/stock/NO-SUCH-PLAN", `{"available": 1}`, "NO-SUCH-PLAN"},
		{http.MethodPut, "/airalo/stock/NO-SUCH-PLAN", `{"available": 1}`, "NO-SUCH-PLAN"},
		{http.MethodPut, "/zendit/stock/" + japan[Zendit], `{}`, "available"},
		{http.MethodPut, "/airalo/delays", `{"delivery": "1s"}`, "delivers at once"},
		{http.MethodPut, "/zendit/delays", `{"list": "soon"}`, "soon"},
		{http.MethodPut, "/zendit/balance", `{"cents": -1}`, "cents"},
		{http.MethodPost, "/airalo/profiles/8944421000000000017/install", "", "never learns"},
	} {
		if status, answer := ask(t, tt.method, control+tt.path, tt.body); status != http.StatusBadRequest || !strings.Contains(answer, tt.says) {
			t.Errorf("%s %s %s: %d %s", tt.method, tt.path, tt.body, status, answer)
		}
	}
}

func TestCredentialsLastAndAreTheOwnersAlone(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "zendit")
	first, err := openCredentials(folder, []string{keyZendit})
	if err != nil {
		t.Fatal(err)
	}
	second, err := openCredentials(folder, []string{keyZendit})
	if err != nil {
		t.Fatal(err)
	}
	if first[keyZendit] == "" || first[keyZendit] != second[keyZendit] {
		t.Error("the key is another one the second time")
	}
	info, err := os.Stat(filepath.Join(folder, keyZendit))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(folder, keyZendit), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openCredentials(folder, []string{keyZendit}); err == nil || !strings.Contains(err.Error(), keyZendit) {
		t.Errorf("an empty key: %v", err)
	}
}

func TestTheGuideNamesEveryOperation(t *testing.T) {
	server := httptest.NewRecorder()
	m, err := New(Options{Addresses: map[string]string{Zendit: "127.0.0.1:0"}, DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/ledger", "/calls", "/stock/", "/delays", "/balance", "/install", "/use", "/faults"} {
		if !strings.Contains(m.ControlParts()[0].Guide, path) {
			t.Errorf("the guide does not tell of %s", path)
		}
	}
	m.ControlParts()[0].Handler.ServeHTTP(server, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/zendit/nothing", http.NoBody))
	if server.Code != http.StatusNotFound {
		t.Errorf("an unknown operation is answered %d", server.Code)
	}
}
