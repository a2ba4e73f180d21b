package esimaccess

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTimesAreReadInAllFormsAndToldInUTC(t *testing.T) {
	want := time.Date(2024, 5, 29, 18, 34, 17, 0, time.UTC)
	for _, text := range []string{
		`"2024-05-29T18:34:17+0000"`, `"2024-05-29T18:34:17Z"`, `"2024-05-29T20:34:17+02:00"`, `"2024-05-29T18:34:17"`,
		`"2024-05-29 18:34:17"`, `1717007657000`, `"1717007657000"`, `"2024-05-29T18:34:17.000Z"`,
	} {
		var got instant
		if err := json.Unmarshal([]byte(text), &got); err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s is read as %v, %v", text, got, err)
		}
	}
	for _, text := range []string{`null`, `""`, `"soon"`, `0`, `"1970-01-01T00:00:00Z"`, `"9999-12-31T00:00:00Z"`} {
		got := instant{want}
		if err := json.Unmarshal([]byte(text), &got); err != nil || !got.IsZero() {
			t.Errorf("%s is read as %v, %v", text, got, err)
		}
	}
}

func TestAnActivationCodeOfAnAnswerShowsItselfMasked(t *testing.T) {
	const code = "LPA:1$rsp.example.com$TOPSECRETMATCHINGID"
	var p profile
	if err := json.Unmarshal([]byte(`{"iccid":"8997250230000292199F","ac":"`+code+`"}`), &p); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if shown := fmt.Sprintf(verb, p); strings.Contains(shown, "TOPSECRET") {
			t.Errorf("%s shows %s", verb, shown)
		}
	}
	ready, err := p.ready()
	if err != nil || ready.ICCID != "8997250230000292199" || ready.SMDPAddress != "rsp.example.com" || ready.MatchingID.Reveal() != "TOPSECRETMATCHINGID" {
		t.Errorf("got %+v, %v", ready, err)
	}
	for _, bad := range []string{"", "TOPSECRET", "LPA:1$rsp.example.com$", "LPA:1$10.0.0.1$TOPSECRET", "LPA:1$rsp.example.com$TOP SECRET"} {
		if err := json.Unmarshal([]byte(`{"ac":"`+bad+`"}`), &p); err != nil {
			t.Fatal(err)
		}
		if _, err := p.ready(); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q ends with %v", bad, err)
		}
	}
}
