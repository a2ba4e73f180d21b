package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/api/rest"
)

func TestThePageForPeopleShowsExamples(t *testing.T) {
	s := newShop(t)
	answer := send(s.http, http.MethodGet, "/docs", "", http.Header{})
	page := answer.Body.String()
	if answer.Code != http.StatusOK {
		t.Fatalf("answered %d", answer.Code)
	}
	for _, shown := range []string{"<details><summary>", "Duplicate client_reference", "&#34;activation_code&#34;: &#34;LPA:1$"} {
		if !strings.Contains(page, shown) {
			t.Errorf("the page does not show %s", shown)
		}
	}
	if want, got := strings.Count(string(rest.Document()), "summary: A field is missing"), strings.Count(page, "A field is missing"); got < want || want == 0 {
		t.Errorf("of %d examples the page shows %d", want, got)
	}
}
