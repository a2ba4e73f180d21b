package vendorhooks

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	requestID = "0123456789abcdef0123456789abcdef-1"
	iccid     = "8947010000123456784"
)

// The shapes that the wholesalers document.
const (
	zenditDone = `{"brand":"ESIM","offerId":"ESIM-JP-1GB","transactionId":"` + requestID + `","status":"DONE",
		"confirmation":{"activationCode":"LPA:1$rsp.example.com$SECRET","iccid":"` + iccid + `","smdpAddress":"rsp.example.com"}}`
	accessOrder = `{"notifyType":"ORDER_STATUS","notifyId":"n-1","content":{"orderNo":"B23","transactionId":"` + requestID + `","orderStatus":"GOT_RESOURCE"}}`
	accessSMDP  = `{"notifyType":"SMDP_EVENT","notifyId":"n-2","content":{"eid":"8904","iccid":"` + iccid + `","smdpStatus":"ENABLED","transactionId":"` + requestID + `"}}`
	accessESIM  = `{"notifyType":"ESIM_STATUS","notifyId":"n-3","content":{"orderNo":"B23","iccid":"` + iccid + `F","esimStatus":"IN_USE"}}`
	accessUsage = `{"notifyType":"DATA_USAGE","content":{"iccid":"` + iccid + `","remain":"1024"}}`
	accessDays  = `{"notifyType":"VALIDITY_USAGE","notifyId":5,"content":{"iccid":"` + iccid + `","remain":1}}`
	accessCheck = `{"notifyType":"CHECK_HEALTH","notifyId":"n-6","content":{"orderNo":"B00","transactionId":"example"}}`
)

func TestWhatAWebhookHintsAt(t *testing.T) {
	type said struct {
		Health bool
		About  About
	}
	for name, tc := range map[string]struct {
		kind Kind
		body string
		want said
		err  error
	}{
		"Zendit's purchase":                 {kind: Zendit, body: zenditDone, want: said{About: About{RequestID: requestID}}},
		"with a byte order mark":            {kind: Zendit, body: "\xef\xbb\xbf" + zenditDone, want: said{About: About{RequestID: requestID}}},
		"Zendit's purchase without an ID":   {kind: Zendit, body: `{"status":"DONE"}`, err: errNotUnderstood},
		"eSIM Access' order":                {kind: ESIMAccess, body: accessOrder, want: said{About: About{RequestID: requestID}}},
		"eSIM Access' event of the SM-DP+":  {kind: ESIMAccess, body: accessSMDP, want: said{About: About{RequestID: requestID, ICCID: iccid}}},
		"eSIM Access' status, ICCID with F": {kind: ESIMAccess, body: accessESIM, want: said{About: About{ICCID: iccid}}},
		"eSIM Access' usage":                {kind: ESIMAccess, body: accessUsage, want: said{About: About{ICCID: iccid}}},
		"eSIM Access' days left":            {kind: ESIMAccess, body: accessDays, want: said{About: About{ICCID: iccid}}},
		"eSIM Access' health check":         {kind: ESIMAccess, body: accessCheck, want: said{Health: true}},
		"a type of tomorrow":                {kind: ESIMAccess, body: `{"notifyType":"MOON_PHASE","content":{"iccid":"` + iccid + `"}}`, err: errNotUnderstood},
		"a status of nothing":               {kind: ESIMAccess, body: `{"notifyType":"ESIM_STATUS","content":{}}`, err: errNotUnderstood},
		"an order number alone":             {kind: ESIMAccess, body: `{"notifyType":"ORDER_STATUS","content":{"orderNo":"B23"}}`, err: errNotUnderstood},
		"nothing":                           {kind: Zendit, body: ``, err: errMalformed},
		"no object":                         {kind: Zendit, body: `[` + zenditDone + `]`, err: errMalformed},
		"half an object":                    {kind: ESIMAccess, body: accessSMDP[:40], err: errMalformed},
		"too deep":                          {kind: Zendit, body: `{"transactionId":"x","a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, err: errMalformed},
		"deep in a text only":               {kind: Zendit, body: `{"transactionId":"x","a":"\"` + strings.Repeat("[", 40) + `"}`, want: said{About: About{RequestID: "x"}}},
		"of nobody":                         {body: zenditDone, err: errNotUnderstood},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := read(tc.kind, []byte(tc.body))
			if !errors.Is(err, tc.err) {
				t.Fatalf("the error is %v, want %v", err, tc.err)
			}
			if diff := cmp.Diff(tc.want, said{got.health, got.about}); diff != "" {
				t.Errorf("it hints at (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAWebhookIsKnownAgain(t *testing.T) {
	key := func(kind Kind, body string) [32]byte {
		t.Helper()
		said, err := read(kind, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return said.key
	}
	if key(ESIMAccess, accessSMDP) != key(ESIMAccess, strings.Replace(accessSMDP, "ENABLED", "DELETED", 1)) {
		t.Error("a notifyId that comes again is another webhook")
	}
	if key(ESIMAccess, accessSMDP) == key(ESIMAccess, strings.Replace(accessSMDP, "n-2", "n-9", 1)) {
		t.Error("another notifyId is the same webhook")
	}
	if key(ESIMAccess, accessUsage) == key(ESIMAccess, strings.Replace(accessUsage, "1024", "512", 1)) {
		t.Error("without a notifyId, another content is the same webhook")
	}
	if key(Zendit, zenditDone) != key(Zendit, "\xef\xbb\xbf"+zenditDone) || key(Zendit, zenditDone) == key(Zendit, strings.Replace(zenditDone, "DONE", "FAILED", 1)) {
		t.Error("Zendit's webhooks are not told apart by their content")
	}
}

// Whatever is sent: it is read within bounds, and no error repeats any of it.
func FuzzRead(f *testing.F) {
	for _, body := range []string{zenditDone, accessOrder, accessSMDP, accessESIM, accessUsage, accessDays, accessCheck, `{`, `[[[`, ``} {
		f.Add(body, true)
		f.Add(body, false)
	}
	f.Fuzz(func(t *testing.T, body string, isZendit bool) {
		kind := ESIMAccess
		if isZendit {
			kind = Zendit
		}
		said, err := read(kind, []byte(body))
		if err != nil {
			if !errors.Is(err, errMalformed) && !errors.Is(err, errNotUnderstood) {
				t.Fatalf("the error is none of ours: %v", err)
			}
			return
		}
		if !said.health && said.about == (About{}) {
			t.Fatal("it hints at nothing")
		}
		if len(said.about.RequestID) > 256 || len(said.about.ICCID) > 20 {
			t.Fatalf("it hints at %d and %d characters", len(said.about.RequestID), len(said.about.ICCID))
		}
		again, err := read(kind, []byte(body))
		if err != nil || again != said {
			t.Fatalf("read twice it is another: %v", err)
		}
	})
}
