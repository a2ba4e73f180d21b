package zenditfake

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// maxPage is the most offers that a page holds.
const maxPage = 1000

// Offer is an eSIM offer as it is sold.
type Offer struct {
	ID string
	// Country is an alpha-2 code; empty for a regional offer.
	Country string
	// Regions by Zendit's names, and Roaming by alpha-2 codes, of a regional offer.
	Regions []string
	Roaming []string
	// DataGB as a decimal number; empty for unlimited data.
	DataGB string
	Days   int
	// Cost in cents of USD, and the fee on top of it.
	Cost, Fee int64
	// Stock is how many are left; negative for no bound.
	Stock int
	// Disabled offers are listed and not sold.
	Disabled bool
}

type money struct {
	Currency string `json:"currency"`
	Divisor  int    `json:"currencyDivisor"`
	Fixed    int64  `json:"fixed"`
	Fee      int64  `json:"fee"`
}

type roaming struct {
	Country    string   `json:"country"`
	DataSpeeds []string `json:"dataSpeeds"`
}

// wireOffer is an offer as it is answered.
type wireOffer struct {
	OfferID       string    `json:"offerId"`
	Brand         string    `json:"brand"`
	Country       string    `json:"country"`
	Regions       []string  `json:"regions"`
	DataGB        number    `json:"dataGB"`
	DataUnlimited bool      `json:"dataUnlimited"`
	DurationDays  int       `json:"durationDays"`
	Roaming       []roaming `json:"roaming"`
	Cost          money     `json:"cost"`
	PriceType     string    `json:"priceType"`
	ProductType   string    `json:"productType"`
	Enabled       bool      `json:"enabled"`
	ShortNotes    string    `json:"shortNotes"`
}

// number is written as a JSON number.
type number string

// MarshalJSON writes the digits.
func (n number) MarshalJSON() ([]byte, error) {
	if n == "" {
		return []byte("0"), nil
	}
	return []byte(n), nil
}

func (o *Offer) wire() wireOffer {
	found := wireOffer{
		OfferID: o.ID, Brand: "Zendit", Country: o.Country, Regions: o.Regions, DataGB: number(o.DataGB), DataUnlimited: o.DataGB == "",
		DurationDays: o.Days, Cost: money{Currency: "USD", Divisor: 100, Fixed: o.Cost, Fee: o.Fee}, PriceType: "FIXED", ProductType: "ESIM",
		Enabled: !o.Disabled, ShortNotes: fmt.Sprintf("%s GB for %d days", o.DataGB, o.Days), Roaming: []roaming{},
	}
	for _, country := range o.Roaming {
		found.Roaming = append(found.Roaming, roaming{Country: country, DataSpeeds: []string{"4G", "5G"}})
	}
	return found
}

func (s *Server) addOffer(offer Offer) {
	kept := &offer
	if _, known := s.byID[offer.ID]; known {
		s.offers = slices.DeleteFunc(s.offers, func(o *Offer) bool { return o.ID == offer.ID })
	}
	s.offers = append(s.offers, kept)
	s.byID[offer.ID] = kept
}

func (s *Server) listOffers(r *http.Request) (int, any) {
	query := r.URL.Query()
	limit, err := strconv.Atoi(query.Get("_limit"))
	offset, err2 := strconv.Atoi(query.Get("_offset"))
	if err != nil || err2 != nil || limit < 1 || limit > maxPage || offset < 0 {
		return http.StatusBadRequest, failure{ErrorCode: "bad_request", Message: "_limit and _offset are required"}
	}
	page := struct {
		Limit  int         `json:"limit"`
		Offset int         `json:"offset"`
		Total  int         `json:"total"`
		List   []wireOffer `json:"list"`
	}{Limit: limit, Offset: offset, List: []wireOffer{}}
	for _, offer := range s.offers {
		if country := query.Get("country"); country != "" && offer.Country != country {
			continue
		}
		if page.Total >= offset && len(page.List) < limit {
			page.List = append(page.List, offer.wire())
		}
		page.Total++
	}
	return http.StatusOK, page
}

func (s *Server) getOffer(id string) (int, any) {
	offer, ok := s.byID[id]
	if !ok {
		return http.StatusNotFound, failure{ErrorCode: "not_found", Message: "offer not found"}
	}
	return http.StatusOK, offer.wire()
}

func (s *Server) getBalance(*http.Request) (int, any) {
	return http.StatusOK, struct {
		Available int64  `json:"availableBalance"`
		Currency  string `json:"currency"`
		Divisor   int    `json:"currencyDivisor"`
	}{s.balance, "USD", 100}
}
