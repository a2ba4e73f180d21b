package smdp

import (
	"testing"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

func TestAnOrderGoesFromStockToDevice(t *testing.T) {
	s := startServer(t, Options{SMDPAddress: "rsp.example.com", Stock: map[string]int{"JP-1GB-7D": 2}})
	p := clientWith(t, s, DefaultRequester, s.PKI().ClientCert, s.PKI().ClientKey)

	iccid := p.order("JP-1GB-7D")
	if !activation.ICCID(iccid).LuhnValid() {
		t.Errorf("ICCID %s fails Luhn", iccid)
	}
	confirmed := p.success(es2plus.ConfirmOrder, map[string]any{"iccid": iccid, "matchingId": "K3T-1", "releaseFlag": false})
	if confirmed.MatchingID != "K3T-1" || confirmed.SMDPAddress != "rsp.example.com" {
		t.Errorf("ConfirmOrder answered address %q and another matching ID than was sent", confirmed.SMDPAddress)
	}
	p.success(es2plus.ReleaseProfile, map[string]any{"iccid": iccid + "F"})
	if err := s.Install(activation.ICCID(iccid)); err != nil {
		t.Fatal(err)
	}
	if answer := p.call(es2plus.CancelOrder, map[string]any{"iccid": iccid, "finalProfileStatusIndicator": "Unavailable"}); answer.code() != "8.2.1/3.3" {
		t.Errorf("CancelOrder of an installed profile answered %s", answer.code())
	}
	if got := s.Stock("JP-1GB-7D"); got != 1 {
		t.Errorf("stock is %d after one of two was sold", got)
	}
}
