package webapi_test

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

func TestAWholesalerIsSpokenToOverTLS12OrLater(t *testing.T) {
	for _, tt := range []struct {
		version uint16
		arrives bool
	}{
		{tls.VersionTLS10, false}, {tls.VersionTLS11, false}, {tls.VersionTLS12, true}, {tls.VersionTLS13, true},
	} {
		t.Run(tls.VersionName(tt.version), func(t *testing.T) {
			var arrived atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				arrived.Add(1)
				fine(w, r)
			}))
			server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tt.version}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			t.Cleanup(server.Close)
			client, err := webapi.New(webapi.Config{
				Vendor: "Vendor", Field: "spec.vendor.url", BaseURL: server.URL,
				CAPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			failure := client.Do(t.Context(), purchase())
			if got := arrived.Load() == 1 && failure == nil; got != tt.arrives {
				t.Errorf("%d requests arrived, the call ended with %v", arrived.Load(), failure)
			}
			if failure != nil && !webapi.NotSent(failure) {
				t.Errorf("it is not certain that nothing was sent: %v", failure)
			}
		})
	}
}
