package countries

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/language"
	"pgregory.net/rapid"
)

func TestCountriesAreNamedByTheirAlpha3Code(t *testing.T) {
	for code, want := range map[string]string{
		"JP": "JPN", "jp": "JPN", " US ": "USA", "GB": "GBR", "UK": "GBR", "EL": "GRC", "DEU": "DEU", "deu": "DEU",
		"HK": "HKG", "TW": "TWN", "XK": "XKX", "XKX": "XKX", "GU": "GUM", "GG": "GGY", "AX": "ALA", "CW": "CUW",
		"CD": "COD", "RO": "ROU", "SX": "SXM", "BQ": "BES", "SS": "SSD",
	} {
		if got, err := Alpha3(code); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", code, got, err, want)
		}
	}
}

func TestWhatIsNoCountryIsRefused(t *testing.T) {
	for _, code := range []string{"", "J", "ZZ", "EU", "UN", "GLO", "XEU", "150", "001", "J1", "JAPAN", "!RG", "QO", "日本", "A\x00"} {
		if got, err := Alpha3(code); err == nil {
			t.Errorf("%q is taken for %q", code, got)
		}
	}
}

func TestAListIsSortedAndHasEachCountryOnce(t *testing.T) {
	got, unknown := List([]string{"US", "jp", "UK", "GB", "nowhere", "JP", ""})
	if diff := cmp.Diff([]string{"GBR", "JPN", "USA"}, got); diff != "" || unknown != 2 {
		t.Errorf("%d are unknown; -want +got:\n%s", unknown, diff)
	}
}

// The API server refuses other codes.
func TestNoCodeBeginsWithXButKosovos(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.StringMatching(`[A-Z]{2,3}`).Draw(t, "code")
		long, err := Alpha3(code)
		if err != nil {
			return
		}
		if len(long) != 3 || long[0] == 'X' && long != "XKX" {
			t.Fatalf("%s became %s", code, long)
		}
		if again, err := Alpha3(long); err != nil || again != long {
			t.Fatalf("%s became %s, and that %s, %v", code, long, again, err)
		}
	})
}

func TestRegionsAreKnownByTheirUsualNames(t *testing.T) {
	for name, want := range map[string]string{
		"Europe": Europe, "GLOBAL": World, "Middle East and North Africa": MiddleEast, "North America": NorthAmerica,
		"Asia-Pacific": Asia, "south_america": SouthAmerica, "Caribbean Islands": Caribbean, "Oceania": Oceania, "Africa": Africa,
	} {
		if got, ok := Region(name); got != want || !ok {
			t.Errorf("%q: got %q, %v, want %q", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "Atlantis", "Japan"} {
		if got, ok := Region(name); ok {
			t.Errorf("%q is taken for %s", name, got)
		}
	}
}

func TestTheRegionOfCountriesIsTheSmallestThatHoldsAll(t *testing.T) {
	for _, tc := range []struct {
		countries []string
		want      string
	}{
		{nil, ""},
		{[]string{"JPN"}, ""},
		{[]string{"DEU", "FRA", "GBR"}, Europe},
		{[]string{"DEU", "XKX", "TUR"}, Europe},
		{[]string{"JPN", "KOR", "THA"}, Asia},
		{[]string{"ARE", "SAU", "QAT"}, MiddleEast},
		{[]string{"USA", "CAN", "MEX"}, NorthAmerica},
		{[]string{"BRA", "ARG", "CHL"}, SouthAmerica},
		{[]string{"BRB", "JAM"}, Caribbean},
		{[]string{"AUS", "NZL"}, Oceania},
		{[]string{"KEN", "ZAF", "EGY"}, Africa},
		{[]string{"AUS", "JPN"}, Asia},
		{[]string{"USA", "JPN", "DEU"}, World},
	} {
		if got := RegionOf(tc.countries); got != tc.want {
			t.Errorf("%v: got %q, want %q", tc.countries, got, tc.want)
		}
	}
}

// The list of all countries must not shrink by a library's update without being seen.
func TestEveryCountryOfTheLibraryHasACode(t *testing.T) {
	count := 0
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if region, err := language.ParseRegion(string([]rune{a, b})); err == nil && region.IsCountry() {
				if _, err := Alpha3(region.String()); err == nil {
					count++
				}
			}
		}
	}
	if count < 240 {
		t.Errorf("only %d countries have a code", count)
	}
}
