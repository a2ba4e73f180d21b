// Package countries turns what wholesalers call countries and regions into our codes: ISO
// 3166-1 alpha-3, GLO for all the world, and one of ISO's user-assigned codes for a region.
package countries

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// The codes of regions.
const (
	World        = "GLO"
	Europe       = "XEU"
	Asia         = "XAS"
	Africa       = "XAF"
	NorthAmerica = "XNA"
	SouthAmerica = "XSA"
	Caribbean    = "XCB"
	MiddleEast   = "XME"
	Oceania      = "XOC"
)

// spoken are codes that people use for countries which have another one in ISO 3166-1.
var spoken = map[string]string{"UK": "GB", "EL": "GR", "KOS": kosovo2, kosovo3: kosovo2}

// Kosovo's codes are in use and not in ISO 3166-1, and libraries differ about the longer one.
const kosovo2, kosovo3 = "XK", "XKX"

// Alpha3 is the alpha-3 code of a country that is named by its alpha-2 or alpha-3 code, in any
// case. Kosovo, which ISO has not given one, is XKX as everywhere else. The error repeats at
// most a few characters of what is no code.
func Alpha3(code string) (string, error) {
	code = strings.ToUpper(strings.TrimSpace(code))
	if usual, ok := spoken[code]; ok {
		code = usual
	}
	if len(code) != 2 && len(code) != 3 {
		return "", fmt.Errorf("%.8q is not the ISO 3166-1 code of a country, such as JP or JPN", code)
	}
	region, err := language.ParseRegion(code)
	if err != nil || !region.IsCountry() || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "", fmt.Errorf("%.8q is not the ISO 3166-1 code of a country, such as JP or JPN", code)
	}
	if code == kosovo2 {
		return kosovo3, nil
	}
	long := region.Canonicalize().ISO3()
	if len(long) != 3 || long == "ZZZ" {
		return "", fmt.Errorf("%.8q is not the ISO 3166-1 code of a country, such as JP or JPN", code)
	}
	return long, nil
}

// List is the alpha-3 codes of countries, sorted, each once. What is no country is left out and
// counted.
func List(codes []string) (alpha3 []string, unknown int) {
	alpha3 = make([]string, 0, len(codes))
	for _, code := range codes {
		long, err := Alpha3(code)
		if err != nil {
			unknown++
			continue
		}
		alpha3 = append(alpha3, long)
	}
	slices.Sort(alpha3)
	return slices.Compact(alpha3), unknown
}
