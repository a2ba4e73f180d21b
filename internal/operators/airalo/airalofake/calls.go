package airalofake

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
)

const (
	usualLimit = 25
	// mostLimit bounds what a page may hold.
	mostLimit = 1000
)

// submitOrder is POST /orders: 200 with the order, or 202 with a number for later.
func (s *Server) submitOrder(_ *http.Request, body []byte) reply {
	var asked struct {
		PackageID   string      `json:"package_id"`
		Quantity    json.Number `json:"quantity"`
		Type        string      `json:"type"`
		Description string      `json:"description"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return refuse(&refusal{status: http.StatusUnprocessableEntity, code: 43, reason: "Bad request."})
	}
	if asked.Quantity != "1" || asked.Type != "sim" {
		return refuse(&refusal{status: http.StatusUnprocessableEntity, field: "quantity", reason: "This server sells one SIM at a time."})
	}
	placed, refused := s.shop.place(asked.PackageID, asked.Description)
	if refused != nil {
		return refuse(refused)
	}
	if s.shop.accepts() {
		return reply{status: http.StatusAccepted, body: map[string]any{
			"data": map[string]any{"request_id": strconv.FormatInt(placed.id, 36), "accepted_at": s.clock.Now().UTC().Format(time.DateTime)},
			"meta": map[string]any{"message": "success"},
		}}
	}
	answer := s.writeOrder(placed)
	answer["sims"] = []any{s.writeSIM(placed)}
	return reply{status: http.StatusOK, body: map[string]any{"data": answer, "meta": map[string]any{"message": "success"}}}
}

// writeOrder as answers have it, without its SIMs.
func (s *Server) writeOrder(o *order) map[string]any {
	return map[string]any{
		"id": o.id, "code": fmt.Sprintf("%s-%06d", o.placed.UTC().Format("20060102"), o.id),
		"package_id": o.pack.ID, "quantity": 1, "type": "sim", "description": o.description,
		"price": json.Number(o.pack.NetPrices["USD"]), "currency": "USD", "validity": o.pack.Days,
		"package": o.pack.Title, "created_at": o.placed.UTC().Format(time.DateTime),
		"manual_installation": "<p><b>eSIM name:</b> " + o.pack.Title + "</p>",
	}
}

func (s *Server) writeSIM(o *order) map[string]any {
	matchingID := o.sim.matchingID.Reveal()
	return map[string]any{
		"id": o.id + 2000, "created_at": o.placed.UTC().Format(time.DateTime), "iccid": string(o.sim.iccid),
		"lpa": s.shop.smdpAddress, "matching_id": matchingID,
		"qrcode": "LPA:1$" + s.shop.smdpAddress + "$" + matchingID, "confirmation_code": nil,
		"is_roaming": true, "imsis": nil,
	}
}

// getOrderList is GET /orders. The filter finds what contains it.
func (s *Server) getOrderList(r *http.Request, _ []byte) reply {
	query := r.URL.Query()
	include := strings.Split(query.Get("include"), ",")
	return page(r, s.shop.find(query.Get("filter[description]")), func(o *order) any {
		row := s.writeOrder(o)
		if slices.Contains(include, "status") {
			row["status"] = map[string]any{"name": strings.ToUpper(string(o.status[:1])) + string(o.status[1:]), "slug": string(o.status)}
		}
		if slices.Contains(include, "sims") && o.status != OrderFailed {
			row["sims"] = []any{s.writeSIM(o)}
		}
		return row
	})
}

// getPackages is GET /packages.
func (s *Server) getPackages(r *http.Request, _ []byte) reply {
	kind, country := r.URL.Query().Get("filter[type]"), r.URL.Query().Get("filter[country]")
	return page(r, s.shop.shelves(func(p Package) bool {
		return (kind == "" || (kind == "global") == (p.Region != "")) && (country == "" || slices.Equal(p.Countries, []string{country}))
	}), writeShelf)
}

// shelf is a country or region with what is sold for it.
type shelf struct {
	id       int
	place    string
	packages []Package
}

// shelves of the packages that match and are offered.
func (s *shop) shelves(match func(Package) bool) []*shelf {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*shelf
	byPlace := make(map[string]*shelf)
	for _, p := range s.packages {
		if s.withdrawn[p.ID] || !match(p) {
			continue
		}
		place := p.Region
		if place == "" {
			place = p.Countries[0]
		}
		if byPlace[place] == nil {
			byPlace[place] = &shelf{id: len(all) + 1, place: place}
			all = append(all, byPlace[place])
		}
		byPlace[place].packages = append(byPlace[place].packages, p)
	}
	return all
}

// writeShelf as answers have it, with one operator.
func writeShelf(s *shelf) any {
	first := s.packages[0]
	countries := make([]any, 0, len(first.Countries))
	for _, code := range first.Countries {
		countries = append(countries, map[string]any{"country_code": code, "title": code})
	}
	packages := make([]any, 0, len(s.packages))
	for _, p := range s.packages {
		packages = append(packages, writePackage(p))
	}
	code := ""
	if first.Region == "" {
		code = s.place
	}
	return map[string]any{
		"slug": strings.ToLower(s.place), "country_code": code, "title": s.place,
		"operators": []any{map[string]any{
			"id": s.id, "title": "Operator of " + s.place, "plan_type": "data", "countries": countries, "packages": packages,
		}},
	}
}

func writePackage(p Package) map[string]any {
	kind := "sim"
	if p.TopUp {
		kind = "topup"
	}
	prices := make(map[string]any, len(p.NetPrices))
	for _, currency := range slices.Sorted(maps.Keys(p.NetPrices)) {
		prices[currency] = json.Number(p.NetPrices[currency])
	}
	usd := json.Number(p.NetPrices["USD"])
	return map[string]any{
		"id": p.ID, "type": kind, "title": p.Title, "price": usd, "net_price": usd, "amount": p.AmountMB, "day": p.Days,
		"is_unlimited": p.Unlimited, "short_info": nil,
		"prices": map[string]any{"net_price": prices, "recommended_retail_price": prices},
	}
}

// page of a list, as the query asks for it.
func page[T any](r *http.Request, all []T, write func(T) any) reply {
	limit := queryInt(r, "limit", usualLimit, mostLimit)
	last := max((len(all)+limit-1)/limit, 1)
	current := queryInt(r, "page", 1, 1<<30)
	from := min((current-1)*limit, len(all))
	rows := make([]any, 0, limit)
	for _, row := range all[from:min(from+limit, len(all))] {
		rows = append(rows, write(row))
	}
	return reply{status: http.StatusOK, body: map[string]any{
		"data": rows,
		"meta": map[string]any{"message": "success", "current_page": current, "last_page": last, "per_page": strconv.Itoa(limit), "total": len(all)},
	}}
}

// queryInt is a number of the query from 1 to most; the usual one where it is absent or no such
// number.
func queryInt(r *http.Request, name string, usual, most int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil || n < 1 || n > most {
		return usual
	}
	return n
}

// getUsage is GET /sims/{iccid}/usage.
func (s *Server) getUsage(r *http.Request, _ []byte) reply {
	usage, refused := s.shop.use(activation.ICCID(r.PathValue("iccid")))
	if refused != nil {
		return refuse(refused)
	}
	return reply{status: http.StatusOK, body: map[string]any{"data": usage, "meta": map[string]any{"message": "success"}}}
}
