package webapi

import "testing"

func TestBooksAreToldApartByWhereTheyAreKept(t *testing.T) {
	books := func(vendor, url, account string) string {
		t.Helper()
		client, err := New(Config{Vendor: vendor, Field: "spec.vendor.url", BaseURL: url, Account: account})
		if err != nil {
			t.Fatal(err)
		}
		return client.Books()
	}
	ours := books("Vendor", "https://api.example.com/v1", "main")
	for _, same := range []string{"https://api.example.com/v1/", "https://API.example.com/v1", "https://api.example.com:443/v1"} {
		if got := books("Vendor", same, "main"); got != ours {
			t.Errorf("%s has books %q, want %q", same, got, ours)
		}
	}
	for name, other := range map[string]string{
		"another vendor":  books("Other", "https://api.example.com/v1", "main"),
		"another host":    books("Vendor", "https://sandbox.example.com/v1", "main"),
		"another port":    books("Vendor", "https://api.example.com:8443/v1", "main"),
		"another path":    books("Vendor", "https://api.example.com/v2", "main"),
		"another account": books("Vendor", "https://api.example.com/v1", "second"),
		"no account":      books("Vendor", "https://api.example.com/v1", ""),
	} {
		if other == ours {
			t.Errorf("%s has the same books", name)
		}
	}
}
