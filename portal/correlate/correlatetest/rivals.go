package correlatetest

import (
	"fmt"
	"strings"

	"concierge/portal/correlate"
)

// rivals are what is easily taken for one API and is not: two companies' "Payments API", one title over other operations, one
// product sold under two brands, services cut from one template, and siblings that share a word.
func (c *company) rivals(specs []Spec) []service {
	var out []service
	any := func() Spec { return specs[c.rand.IntN(len(specs))] }
	for i := range min(len(specs)/24+1, len(departments)) { // bought companies have the same departments
		title := departments[i]
		for _, of := range []string{"north", "south"} {
			s := Spec{Provider: of + fmt.Sprint(i), Title: title.name + " API", Version: "1.0", Mould: of + title.name}
			s.File, s.API = s.Provider, s.Provider+"/"+title.name
			operations := title.north
			if of == "south" {
				operations = title.south
			}
			for op := range strings.FieldsSeq(operations) {
				method, path, _ := strings.Cut(op, ":")
				s.Operations = append(s.Operations, correlate.Operation{Method: method, Path: path})
			}
			s.Servers = []string{"https://" + s.Provider + ".example"}
			division := ""
			if c.Divided {
				division = of
			}
			out = append(out, service{Spec: s, label: s.API, division: division, kind: "same title"})
		}
	}
	for i := range len(specs)/24 + 1 { // a title that another has
		a, b := any(), any()
		if a.Provider == b.Provider || len(b.Operations) < 3 || len(spoken(a.Title)) == 0 || !c.describes(a.API) {
			continue
		}
		b.Title, b.Provider = a.Title, fmt.Sprintf("%s-%d", b.Provider, i)
		out = append(out, service{Spec: b, label: fmt.Sprintf("titled %d/%s", i, b.File), division: c.division(a.Provider), kind: "same title"})
	}
	for i := range len(specs)/24 + 1 { // one product under two brands
		a := any()
		brand := syllables(uint32(i)*2246822519 + 7)
		b := a
		b.Title, b.Provider = titled(brand)+" "+departments[i%len(departments)].name, brand
		b.Mould, b.Servers = a.File, []string{"https://" + brand + ".example"}
		if len(a.Operations) > 0 {
			out = append(out, service{Spec: b, label: "brand " + brand, division: c.division(a.Provider), kind: "same shape"})
		}
	}
	for i := range len(specs)/8 + 2 { // one template, one noun, several services
		noun := strings.Fields("customer order parcel claim loan meter tenant vehicle machine permit")[i%10]
		facet := []string{"", "history", "search", "documents", "admin", "events", "limits", "pricing"}[i/10%8]
		brand := ""
		if round := i / 80; round > 0 {
			brand = syllables(uint32(round)*40503+11) + "-"
		}
		s := Spec{Provider: "template", Title: titled(joined(" ", strings.Trim(brand, "-"), noun, facet, c.pick("service", "API", ""))), Version: "1.0", Mould: generic}
		s.API = "template/" + brand + noun + "-" + facet
		s.File = s.API
		resource := "/" + joined("-", brand+noun, facet)
		if c.chance(0.3) {
			resource = "/" + c.pick("items", "records", noun+"s")
		}
		for _, o := range []string{"GET ", "POST ", "GET /{id}", "PUT /{id}", "DELETE /{id}", "GET /{id}/status", "POST /search"} {
			method, path, _ := strings.Cut(o, " ")
			if c.chance(0.9) {
				s.Operations = append(s.Operations, correlate.Operation{Method: method, Path: resource + path})
			}
		}
		s.Servers = []string{"http://localhost:8080"}
		out = append(out, service{Spec: s, label: s.API, division: c.division(s.Provider), kind: "generic"})
	}
	return out
}

func titled(words string) string {
	out := strings.Fields(words)
	for i, w := range out {
		out[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(out, " ")
}

// departments are APIs that two companies have, each as its own engineers built it.
var departments = []struct{ name, north, south string }{
	{"Payments", "POST:/payments GET:/payments/{id} POST:/payments/{id}/capture POST:/payments/{id}/refunds GET:/mandates GET:/settlements",
		"POST:/transfers/domestic POST:/transfers/sepa GET:/transfers/{reference} DELETE:/standing-orders/{id} GET:/standing-orders GET:/beneficiaries"},
	{"Orders", "GET:/orders POST:/orders GET:/orders/{id} POST:/orders/{id}/cancel GET:/orders/{id}/lines GET:/baskets/{id}",
		"PUT:/purchase-requisitions/{id} GET:/purchase-requisitions POST:/goods-receipts GET:/approvals GET:/blanket-agreements/{id}"},
	{"Customers", "GET:/customers GET:/customers/{id} PATCH:/customers/{id} GET:/customers/{id}/addresses POST:/customers/{id}/consents",
		"GET:/parties/{partyId} POST:/parties GET:/parties/{partyId}/roles POST:/kyc-checks GET:/households/{id}"},
	{"Inventory", "GET:/stock/{sku} PUT:/stock/{sku} GET:/warehouses GET:/warehouses/{id}/bins POST:/stocktakes",
		"GET:/assets POST:/assets/{tag}/assign GET:/assets/{tag}/maintenance POST:/depreciation-runs GET:/lessors"},
	{"Identity", "POST:/login POST:/token GET:/userinfo POST:/sessions DELETE:/sessions/{id} POST:/otp",
		"POST:/verifications GET:/verifications/{id} POST:/verifications/{id}/selfie GET:/passports/{mrz} GET:/watchlists"},
	{"Pricing", "POST:/quotes GET:/quotes/{id} GET:/price-lists GET:/discounts POST:/quotes/{id}/accept",
		"GET:/curves/{currency} POST:/valuations GET:/greeks/{instrument} GET:/volatility-surfaces POST:/scenarios"},
	{"Documents", "POST:/documents GET:/documents/{id} GET:/documents/{id}/content DELETE:/documents/{id} GET:/folders/{id}",
		"POST:/templates/{id}/render GET:/print-jobs/{id} POST:/mailings GET:/letterheads POST:/signatures/envelopes"},
	{"Notifications", "POST:/messages GET:/messages/{id} POST:/sms POST:/push GET:/templates",
		"GET:/alarms POST:/alarms/{id}/acknowledge GET:/escalations GET:/on-call POST:/maintenance-windows"},
	{"Scheduling", "GET:/appointments POST:/appointments GET:/slots DELETE:/appointments/{id} GET:/practitioners",
		"POST:/crew-rosters GET:/crew-rosters/{week} GET:/duty-rules GET:/shift-swaps POST:/shift-swaps/{id}/approve"},
	{"Reporting", "GET:/reports POST:/reports/{id}/run GET:/reports/{id}/result GET:/dashboards",
		"POST:/filings/xbrl GET:/filings/{id} GET:/regulators POST:/filings/{id}/amend GET:/taxonomies"},
}
