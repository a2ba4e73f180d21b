package activation_test

import (
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/internal/activation"
)

// FuzzParseMatchingID: a matching ID is taken as it stands or not at all, one that is taken
// makes an activation code that is read back, and no error repeats what may be a credential.
func FuzzParseMatchingID(f *testing.F) {
	for _, seed := range []string{
		"K3TQX9ZW7VJ2M4PBN8RD", "", "-", "04386-AGYFT-A74Y8-3F815", "k3tq", "A$B", "A B", "Ä",
		strings.Repeat("A", activation.MaxCodeLength), strings.Repeat("A", activation.MaxCodeLength+1),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := activation.ParseMatchingID(text)
		if err != nil {
			if len(text) > 20 && strings.Contains(err.Error(), text) {
				t.Fatalf("the error repeats it: %v", err)
			}
			return
		}
		if id.Reveal() != text {
			t.Fatalf("%q is read as %q", text, id.Reveal())
		}
		lpa, err := activation.Code{SMDPAddress: "rsp.example.com", MatchingID: id}.LPA()
		if err != nil {
			return // too long together with an address
		}
		code, err := activation.ParseCode(lpa.Reveal())
		if err != nil || code.MatchingID.Reveal() != text {
			t.Fatalf("%q comes back as %q: %v", text, code.MatchingID.Reveal(), err)
		}
	})
}
