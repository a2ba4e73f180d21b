package countries

import (
	"strings"

	"golang.org/x/text/language"
)

// named are the names that wholesalers give to regions, without spaces, dashes and case.
var named = map[string]string{
	"global": World, "world": World, "worldwide": World, "international": World, "glo": World,
	"europe": Europe, "eu": Europe, "europeanunion": Europe, "balkans": Europe, "nordics": Europe,
	"scandinavia": Europe, "europeuk": Europe, "easterneurope": Europe, "westerneurope": Europe,
	"asia": Asia, "southeastasia": Asia, "asiapacific": Asia, "apac": Asia, "centralasia": Asia, "eastasia": Asia,
	"southasia": Asia,
	"africa":    Africa, "subsaharanafrica": Africa, "northafrica": Africa, "westafrica": Africa, "eastafrica": Africa,
	"southernafrica": Africa,
	"northamerica":   NorthAmerica, "usacanada": NorthAmerica, "centralamerica": NorthAmerica,
	"southamerica": SouthAmerica, "latinamerica": SouthAmerica, "latam": SouthAmerica,
	"caribbean": Caribbean, "caribbeanislands": Caribbean, "carib": Caribbean,
	"middleeast": MiddleEast, "middleeastandnorthafrica": MiddleEast, "mena": MiddleEast, "gulf": MiddleEast,
	"middleeastnorthafrica": MiddleEast, "menaregion": MiddleEast, "gcc": MiddleEast,
	"oceania": Oceania, "australasia": Oceania, "pacific": Oceania,
}

// Region is the code of the region that a wholesaler calls by a name such as "Europe" or
// "Middle East and North Africa"; false where the name says nothing to us.
func Region(name string) (string, bool) {
	plain := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		default:
			return -1
		}
	}, name)
	code, ok := named[plain]
	return code, ok
}

// continents are regions by the areas of UN M.49 that they consist of; those inside of others
// come first.
var continents = []struct {
	code  string
	areas []language.Region
}{
	{Caribbean, areas("029")},
	{MiddleEast, areas("145", "EG", "IR")},
	{Europe, areas("150", "CY", "TR", "IL")},
	{Asia, areas("142")},
	{Africa, areas("002")},
	{NorthAmerica, areas("021", "013", "029")},
	{SouthAmerica, areas("005", "013", "029")},
	{Oceania, areas("009")},
	{Asia, areas("142", "009")},
}

func areas(codes ...string) []language.Region {
	found := make([]language.Region, len(codes))
	for i, code := range codes {
		found[i] = language.MustParseRegion(code)
	}
	return found
}

// RegionOf is the code of the smallest region that holds all of the countries, alpha-3, and
// World where none does. It is for plans whose wholesaler does not name their region. Empty
// for one country or none.
func RegionOf(alpha3 []string) string {
	if len(alpha3) < 2 {
		return ""
	}
	for _, continent := range continents {
		if holds(continent.areas, alpha3) {
			return continent.code
		}
	}
	return World
}

func holds(areas []language.Region, alpha3 []string) bool {
	for _, code := range alpha3 {
		if !inside(areas, code) {
			return false
		}
	}
	return true
}

func inside(areas []language.Region, alpha3 string) bool {
	if usual, ok := spoken[alpha3]; ok {
		alpha3 = usual
	}
	country, err := language.ParseRegion(alpha3)
	if err != nil {
		return false
	}
	for _, area := range areas {
		if area == country || area.Contains(country) {
			return true
		}
	}
	return false
}
