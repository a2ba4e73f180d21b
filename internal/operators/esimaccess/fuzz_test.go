package esimaccess

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// FuzzProfile: whatever the vendor lists, a profile is whole or there is none, what is used is
// on a device, what is on a device is not taken back, and nothing shows the activation code.
func FuzzProfile(f *testing.F) {
	for _, seed := range []string{
		`{"esimTranNo":"1","orderNo":"B1","transactionId":"r-1","iccid":"8944421000000000001","ac":"LPA:1$rsp.example.com$K3TQX9ZW7VJ2M4PBN8RD","smdpStatus":"RELEASED","esimStatus":"GOT_RESOURCE","expiredTime":"2036-07-01T00:00:00+0000"}`,
		`{"iccid":8944421000000000001,"ac":"1$rsp.example.com$","smdpStatus":"enabled","esimStatus":"in_use","activateTime":2084000000000}`,
		`{"ac":["LPA:1$"],"smdpStatus":7}`, `{"iccid":"x","ac":"LPA:1$a.b$C","esimStatus":"CANCEL","installationTime":"9999-01-01T00:00:00Z"}`, `{}`, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var listed profile
		if webapi.Decode(body, &listed) != nil {
			return
		}
		life := listed.life()
		if !life.UsedTime.IsZero() && !life.Installed {
			t.Fatalf("used, and on no device: %s", body)
		}
		if listed.onDevice() && listed.returnable() {
			t.Fatalf("on a device, and taken back: %s", body)
		}
		for _, at := range []time.Time{life.InstalledTime, life.UsedTime, life.ExpiryTime} {
			if !at.IsZero() && (at.Year() < 2000 || at.Year() > 2200) {
				t.Fatalf("a time of %s", at)
			}
		}
		ready, err := listed.ready()
		if err != nil {
			if code := listed.Code.Reveal(); len(code) > 24 && strings.Contains(err.Error(), code) {
				t.Fatalf("the error repeats the activation code: %v", err)
			}
			return
		}
		if _, err := activation.ParseICCID(string(ready.ICCID)); err != nil || ready.MatchingID.Empty() || ready.SMDPAddress == "" {
			t.Fatalf("the profile is not whole: %v", err)
		}
		id := ready.MatchingID.Reveal()
		if text, err := json.Marshal(ready); err != nil || len(id) > 8 && strings.Contains(string(text), id) && !strings.Contains(ready.SMDPAddress+string(ready.ICCID), id) {
			t.Fatalf("the profile shows its matching ID, or cannot be written: %v", err)
		}
	})
}
