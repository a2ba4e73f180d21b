package activation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/internal/activation"
)

// Vectors of SGP.22 section 4.1.
const (
	gsmaHost  = "SMDP.GSMA.COM"
	gsmaToken = "04386-AGYFT-A74Y8-3F815"
	gsmaOID   = "1.3.6.1.4.1.31746"
)

func TestParseCodeReadsWhatTheFieldWrites(t *testing.T) {
	plain := activation.Code{SMDPAddress: gsmaHost, MatchingID: activation.NewCredential(gsmaToken)}
	confirmed, withOID, both := plain, plain, plain
	confirmed.ConfirmationCodeRequired = true
	withOID.OID = gsmaOID
	both.OID, both.ConfirmationCodeRequired = gsmaOID, true
	lower := plain
	lower.MatchingID = activation.NewCredential("k2-abc")

	for _, tc := range []struct {
		name, in string
		want     activation.Code
	}{
		{"SGP.22: plain", "1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815", plain},
		{"SGP.22: confirmation code, no OID", "1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$$1", confirmed},
		{"SGP.22: OID and confirmation code", "1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$1.3.6.1.4.1.31746$1", both},
		{"SGP.22: OID", "1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$1.3.6.1.4.1.31746", withOID},
		{"SGP.22: empty token, OID", "1$SMDP.GSMA.COM$$1.3.6.1.4.1.31746", activation.Code{SMDPAddress: gsmaHost, OID: gsmaOID}},
		{"prefix", "LPA:1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815", plain},
		{"prefix in lower case", "lpa:1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815", plain},
		{"space around", " \tLPA: 1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815\r\n", plain},
		{"unknown items after the flag", "1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$$1$new$newer", confirmed},
		{"unknown flag", "1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$$0", plain},
		{"nothing after the last delimiter", "1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$", plain},
		{"final dot of the host", "1$SMDP.GSMA.COM.$04386-AGYFT-A74Y8-3F815", plain},
		{"matching ID in lower case", "1$SMDP.GSMA.COM$k2-abc", lower},
	} {
		got, err := activation.ParseCode(tc.in)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestParseCodeRefusesWhatNoDeviceCouldUse(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"nothing", "", "must begin with 1$"},
		{"only the prefix", "LPA:", "must begin with 1$"},
		{"another format", "2$rsp.example.com$SECRET", "must begin with 1$"},
		{"no matching ID item", "1$rsp.example.com", "must have the form"},
		{"no address", "1$$SECRET", "SM-DP+ address is missing"},
		{"an address with a port", "1$rsp.example.com:443$SECRET", "host name"},
		{"a URL as address", "1$https://rsp.example.com$SECRET", "host name"},
		{"an IP address", "1$192.0.2.1$SECRET", "not an IP address"},
		{"one label", "1$rsp$SECRET", "full host name"},
		{"a label that begins with a dash", "1$-rsp.example.com$SECRET", "host name"},
		{"a label too long", "1$" + strings.Repeat("a", 64) + ".com$SECRET", "host name"},
		{"an address too long", "1$" + strings.Repeat("a.", 130) + "com$SECRET", "longer than 253"},
		{"items swapped", "1$SECRET TOKEN$rsp.example.com", "host name"},
		{"space within the matching ID", "1$rsp.example.com$SECRET TOKEN", "not printable"},
		{"control character in the matching ID", "1$rsp.example.com$SECRET\x00", "not printable"},
		{"a matching ID beyond ASCII", "1$rsp.example.com$SECRETÄ", "not printable"},
		{"an OID of letters", "1$rsp.example.com$SECRET$SECRET", "OID must be numbers"},
		{"an OID that ends with a dot", "1$rsp.example.com$SECRET$1.3.", "OID must be numbers"},
		{"endless text", "1$rsp.example.com$" + strings.Repeat("S", 100_000), "longer than 1024"},
	} {
		_, err := activation.ParseCode(tc.in)
		if err == nil {
			t.Errorf("%s: accepted", tc.name)
			continue
		}
		if !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: the error is %q, want it to tell %q", tc.name, err, tc.want)
		}
		if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error repeats the input: %q", tc.name, err)
		}
	}
}

func TestLPAWritesTheStandardForm(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815", "LPA:1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815"},
		{"1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$$1", "LPA:1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$$1"},
		{"1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$1.3.6.1.4.1.31746$1", "LPA:1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$1.3.6.1.4.1.31746$1"},
		{"1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$1.3.6.1.4.1.31746", "LPA:1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$1.3.6.1.4.1.31746"},
		{"1$SMDP.GSMA.COM$$1.3.6.1.4.1.31746", "LPA:1$SMDP.GSMA.COM$$1.3.6.1.4.1.31746"},
		{"1$rsp.example.com$", "LPA:1$rsp.example.com$"},
	} {
		code, err := activation.ParseCode(tc.in)
		if err != nil {
			t.Fatalf("%s: %v", tc.in, err)
		}
		got, err := code.LPA()
		if err != nil || got.Reveal() != tc.want {
			t.Errorf("%s is written %s (%v), want %s", tc.in, got.Reveal(), err, tc.want)
		}
	}
}

func TestLPARefusesToWriteWhatIsNotStandard(t *testing.T) {
	good := activation.Code{SMDPAddress: "rsp.example.com", MatchingID: activation.NewCredential("SECRET")}
	if _, err := good.LPA(); err != nil {
		t.Fatalf("the code that the cases are made from is refused: %v", err)
	}
	for _, tc := range []struct {
		name, want string
		spoil      func(*activation.Code)
	}{
		{"no address", "address is missing", func(c *activation.Code) { c.SMDPAddress = "" }},
		{"an address that ends the item", "host name", func(c *activation.Code) { c.SMDPAddress = "rsp.example.com$X" }},
		{"a lower-case matching ID", "capital letters", func(c *activation.Code) { c.MatchingID = activation.NewCredential("SECRETx") }},
		{"a matching ID that ends the item", "capital letters", func(c *activation.Code) { c.MatchingID = activation.NewCredential("SECRET$1") }},
		{"an OID that ends the item", "OID", func(c *activation.Code) { c.OID = "1.3$1" }},
		{"a code of 256 characters", "256 characters", func(c *activation.Code) {
			c.MatchingID = activation.NewCredential(strings.Repeat("S", 256-len("LPA:1$rsp.example.com$")))
		}},
	} {
		code := good
		tc.spoil(&code)
		_, err := code.LPA()
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: the error is %v, want it to tell %q", tc.name, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error shows the matching ID: %v", tc.name, err)
		}
	}
	longest := good
	longest.MatchingID = activation.NewCredential(strings.Repeat("S", 255-len("LPA:1$rsp.example.com$")))
	if got, err := longest.LPA(); err != nil || len(got.Reveal()) != activation.MaxCodeLength {
		t.Errorf("a code of exactly %d characters is refused: %v", activation.MaxCodeLength, err)
	}
}

func TestACodeIsShownMasked(t *testing.T) {
	code := activation.Code{SMDPAddress: "rsp.example.com", MatchingID: activation.NewCredential(text), OID: gsmaOID}
	const want = "LPA:1$rsp.example.com$********"
	for how, got := range map[string]string{"Masked": code.Masked(), "%v": fmt.Sprintf("%v", code), "%q": strings.Trim(fmt.Sprintf("%q", code), "\"")} {
		if got != want {
			t.Errorf("%s is %s, want %s", how, got, want)
		}
	}
	mustNotShow(t, "%#v", fmt.Sprintf("%#v", code))
}

// codes draws every code that LPA must be able to write.
func codes() *rapid.Generator[activation.Code] {
	return rapid.Custom(func(t *rapid.T) activation.Code {
		return activation.Code{
			SMDPAddress:              rapid.StringMatching(`[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?(\.[A-Za-z0-9]{1,10}){0,2}\.[A-Za-z]{2,8}`).Draw(t, "address"),
			MatchingID:               activation.NewCredential(rapid.StringMatching(`[0-9A-Z-]{0,60}`).Draw(t, "matching ID")),
			OID:                      rapid.StringMatching(`|[0-2](\.[0-9]{1,5}){1,8}`).Draw(t, "OID"),
			ConfirmationCodeRequired: rapid.Bool().Draw(t, "confirmation code"),
		}
	})
}

func TestWhatLPAWritesParseCodeReadsUnchanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := codes().Draw(t, "code")
		written, err := want.LPA()
		if err != nil {
			t.Fatalf("a standard code is refused: %v", err)
		}
		got, err := activation.ParseCode(written.Reveal())
		if err != nil {
			t.Fatalf("a written code is not read: %v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-written +read):\n%s", diff)
		}
	})
}

func FuzzParseCode(f *testing.F) {
	for _, seed := range []string{
		"1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815", "1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$$1",
		"1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$1.3.6.1.4.1.31746$1", "1$SMDP.GSMA.COM$$1.3.6.1.4.1.31746",
		"lpa:1$rsp.example.com$k2$$1$x", "LPA:", "1$$", "$$$$", "1$a.b\x00$Z",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		code, err := activation.ParseCode(in)
		if err != nil {
			return
		}
		mustHide := len(code.MatchingID.Reveal()) >= 8 && !strings.Contains(code.SMDPAddress+code.OID, code.MatchingID.Reveal())
		if mustHide && strings.Contains(fmt.Sprintf("%+v %#v", code, code), code.MatchingID.Reveal()) {
			t.Error("printing the code shows its matching ID")
		}
		written, err := code.LPA()
		if err != nil {
			return // read liberally, cannot be written strictly
		}
		again, err := activation.ParseCode(written.Reveal())
		if err != nil {
			t.Fatalf("a written code is not read: %v", err)
		}
		if diff := cmp.Diff(code, again); diff != "" {
			t.Errorf("(-first +second reading):\n%s", diff)
		}
	})
}
