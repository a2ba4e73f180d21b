package esimaccess

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAWebhookIsAHint(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want Hint
	}{
		"an order got its profile": {
			`{"notifyType":"ORDER_STATUS","notifyId":"N1","content":{"orderNo":"B1","transactionId":"5f0c-1","orderStatus":"GOT_RESOURCE"}}`,
			Hint{ID: "N1", Type: NotifyOrder, OrderNo: "B1", RequestID: "5f0c-1"},
		},
		"a device downloaded it": {
			`{"notifyType":"SMDP_EVENT","notifyId":"5fcc219e32dc484598d3fd700cf3738d","eventGenerateTime":"2025-09-11T13:28:09+0000",` +
				`"content":{"eid":"89049032007108882600137544319616","iccid":"8997250230000292199","smdpStatus":"DOWNLOAD","orderNo":"B2","esimTranNo":"T2","transactionId":"12068951785848-1-1"}}`,
			Hint{ID: "5fcc219e32dc484598d3fd700cf3738d", Type: NotifySMDP, ICCID: "8997250230000292199", OrderNo: "B2", RequestID: "12068951785848-1-1"},
		},
		"numbers for texts":             {`{"notifyType":"ESIM_STATUS","notifyId":7,"content":{"orderNo":12}}`, Hint{ID: "7", Type: NotifyESIM, OrderNo: "12"}},
		"an ICCID with a trailing F":    {`{"notifyType":"DATA_USAGE","content":{"iccid":"8997250230000292199F"}}`, Hint{Type: NotifyUsage, ICCID: "8997250230000292199"}},
		"a plan ends soon":              {`{"notifyType":"VALIDITY_USAGE","content":{"transactionId":"A"}}`, Hint{Type: NotifyValidity, RequestID: "A"}},
		"the address was set":           {`{"notifyType":"CHECK_HEALTH","content":{"orderNo":"1234567890","orderStatus":"Test"}}`, Hint{Type: NotifyHealth}},
		"an ID that is not one is none": {`{"notifyType":"ESIM_STATUS","notifyId":"a b","content":{"orderNo":"B\n1","iccid":"8997250230000292199"}}`, Hint{Type: NotifyESIM, ICCID: "8997250230000292199"}},
	} {
		got, err := ParseWebhook([]byte(tc.body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatIsNoWebhookIsRefusedInOurOwnWords(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":                  ``,
		"no JSON":                  `SECRET`,
		"another type":             `{"notifyType":"SECRET","content":{"orderNo":"B1"}}`,
		"no type":                  `{"content":{"orderNo":"B1"}}`,
		"about nothing":            `{"notifyType":"ESIM_STATUS","content":{"note":"SECRET"}}`,
		"a list":                   `[]`,
		"content that is a text":   `{"notifyType":"ESIM_STATUS","content":"SECRET"}`,
		"longer than any there is": `{"notifyType":"ESIM_STATUS","content":{"orderNo":"` + strings.Repeat("SECRET", MaxWebhook/6) + `"}}`,
	} {
		hint, err := ParseWebhook([]byte(body))
		if err == nil {
			t.Errorf("%s is read as %+v", name, hint)
			continue
		}
		if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error repeats it: %v", name, err)
		}
	}
}

func FuzzParseWebhook(f *testing.F) {
	f.Add([]byte(`{"notifyType":"SMDP_EVENT","notifyId":"5f","content":{"iccid":"8997250230000292199","orderNo":"B2","transactionId":"1-1"}}`))
	f.Add([]byte(`{"notifyType":"CHECK_HEALTH","content":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		hint, err := ParseWebhook(body)
		if err != nil {
			return
		}
		for _, text := range []string{hint.ID, hint.RequestID, hint.OrderNo, string(hint.ICCID)} {
			if len(text) > maxToken || !headerText(text) {
				t.Errorf("%q is no identifier", text)
			}
		}
	})
}
