package countries

import (
	"slices"
	"strings"
	"testing"
)

// FuzzList: whatever wholesalers call their countries, what comes out are codes of three
// letters, sorted, each once; what is none is counted and not repeated at length.
func FuzzList(f *testing.F) {
	for _, seed := range []string{"JP,JPN,uk", "XK, XKX,KOS", "ZZ,ZZZ,001,EU", "", " de ,DE", "QQ,AA,XA,AN,SU", strings.Repeat("A", 1000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		names := strings.Split(text, ",")
		codes, unknown := List(names)
		if len(codes)+unknown > len(names) || len(codes) == 0 && unknown != len(names) {
			t.Fatalf("%q are %v and %d unknown ones", names, codes, unknown)
		}
		for i, code := range codes {
			if len(code) != 3 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || i > 0 && codes[i-1] >= code {
				t.Fatalf("%q are %v", names, codes)
			}
			if again, err := Alpha3(code); err != nil || again != code {
				t.Fatalf("%s is read back as %q, %v", code, again, err)
			}
		}
		for _, name := range names {
			if _, err := Alpha3(name); err != nil && len(err.Error()) > 150 {
				t.Fatalf("the error repeats it: %v", err)
			}
		}
		if region := RegionOf(codes); region != "" && (len(region) != 3 || slices.Contains(codes, region)) {
			t.Fatalf("%v are %s", codes, region)
		}
	})
}
