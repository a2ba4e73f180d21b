package activation_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/internal/activation"
)

func TestParseICCIDNamesOneProfileInOneWay(t *testing.T) {
	for _, tc := range []struct {
		name, in, want string
	}{
		{"19 digits", "8947010000123456784", "8947010000123456784"},
		{"19 digits and F are the same profile", "8947010000123456784F", "8947010000123456784"},
		{"f in lower case", "8947010000123456784f", "8947010000123456784"},
		{"20 digits keep their last", "89470100001234567845", "89470100001234567845"},
		{"fails Luhn, and is real all the same", "8997250230000292199", "8997250230000292199"},
		{"space around", " 8947010000123456784\n", "8947010000123456784"},
	} {
		got, err := activation.ParseICCID(tc.in)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: got %q (%v), want %q", tc.name, got, err, tc.want)
		}
	}
	for _, bad := range []string{
		"", "F", "894701000012345678", "894701000012345678F", "894701000012345678412", "8947010000123456784FF",
		"8947010000123456784E", "89470100001234F6784", "-947010000123456784", "８947010000123456784",
		strings.Repeat("8", 10_000),
	} {
		if got, err := activation.ParseICCID(bad); err == nil {
			t.Errorf("%.40q is accepted as the ICCID %q", bad, got)
		}
	}
}

func TestLuhnDigitAgreesWithKnownICCIDs(t *testing.T) {
	if digit, err := activation.LuhnDigit("894701000012345678"); err != nil || digit != '4' {
		t.Errorf("the check digit is %q (%v), want '4'", digit, err)
	}
	for iccid, want := range map[activation.ICCID]bool{
		"8947010000123456784": true, "8997250230000292199": false, "8947010000123456785": false, "": false, "8": false, "x4": false,
	} {
		if got := iccid.LuhnValid(); got != want {
			t.Errorf("LuhnValid of %q is %t, want %t", iccid, got, want)
		}
	}
	for _, bad := range []string{"", "89x", "89 1"} {
		if digit, err := activation.LuhnDigit(bad); err == nil {
			t.Errorf("%q got the check digit %q", bad, digit)
		}
	}
}

func TestLuhnFindsEveryMistypedDigit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.StringMatching(`[0-9]{18,19}`).Draw(t, "payload")
		digit, err := activation.LuhnDigit(payload)
		if err != nil {
			t.Fatal(err)
		}
		full := []byte(payload + string(digit))
		if !activation.ICCID(full).LuhnValid() {
			t.Fatalf("%s does not pass with its own check digit", full)
		}
		place := rapid.IntRange(0, len(full)-1).Draw(t, "place")
		full[place] = '0' + (full[place]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "shift")))%10
		if activation.ICCID(full).LuhnValid() {
			t.Fatalf("%s passes with a mistyped digit", full)
		}
	})
}

func TestParseEIDChecksItsCheckDigits(t *testing.T) {
	for _, good := range []string{"89001012012341234012345678901224", "89044011112233441122334411223321", " 89001012012341234012345678901224 "} {
		if got, err := activation.ParseEID(good); err != nil || string(got) != strings.TrimSpace(good) {
			t.Errorf("%q: got %q, %v", good, got, err)
		}
	}
	for _, bad := range []string{
		"", "89001012012341234012345678901225", "98001012012341234012345678901224", "8900101201234123401234567890122",
		"890010120123412340123456789012240", "8900101201234123401234567890122F", strings.Repeat("1", 100_000),
	} {
		if got, err := activation.ParseEID(bad); err == nil {
			t.Errorf("%.40q is accepted as the EID %q", bad, got)
		}
	}
}

func FuzzParseICCID(f *testing.F) {
	for _, seed := range []string{"8947010000123456784", "8947010000123456784F", "89470100001234567845", "F", "８９"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		iccid, err := activation.ParseICCID(in)
		if err != nil {
			return
		}
		if len(iccid) != 19 && len(iccid) != 20 {
			t.Errorf("an ICCID of %d digits", len(iccid))
		}
		if again, err := activation.ParseICCID(string(iccid)); err != nil || again != iccid {
			t.Errorf("%q reads as %q the second time (%v)", iccid, again, err)
		}
		if padded, err := activation.ParseICCID(string(iccid) + "F"); len(iccid) == 19 && (err != nil || padded != iccid) {
			t.Errorf("%q with F reads as %q (%v)", iccid, padded, err)
		}
	})
}

func FuzzParseEID(f *testing.F) {
	for _, seed := range []string{"89001012012341234012345678901224", "89044011112233441122334411223321", "0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		eid, err := activation.ParseEID(in)
		if err != nil {
			return
		}
		mistyped := []byte(eid)
		mistyped[7] = '0' + (mistyped[7]-'0'+1)%10
		if _, err := activation.ParseEID(string(mistyped)); err == nil {
			t.Errorf("both %s and %s pass the check digits", eid, mistyped)
		}
	})
}
