package manager

import (
	"fmt"
	"strings"

	"github.com/telcodev/esim-operator/internal/operators/tunnel"
)

// OperatorProxy is the HTTP proxy through which operators are called. Nothing else is: neither the
// API server, nor the mail server, nor clients' endpoints, whose addresses must be seen to be judged.
type OperatorProxy struct {
	// URL of the proxy, http or https, without a password; "" for none.
	URL string `json:"url"`
	// Direct are hosts, domains (.example.com) and networks (10.0.0.0/8) that are called directly.
	Direct []string `json:"direct"`
}

// dial connects through the proxy; nil where there is none.
func (p OperatorProxy) dial() tunnel.Dial {
	proxy, err := tunnel.ParseURL(p.URL)
	if p.URL == "" || err != nil { // validate has refused the latter
		return nil
	}
	return tunnel.Through(proxy, strings.Join(p.Direct, ","))
}

func (p OperatorProxy) validate() error {
	if p.URL == "" {
		return nil
	}
	if _, err := tunnel.ParseURL(p.URL); err != nil {
		return fmt.Errorf("operatorProxy.url cannot be used: %w", err)
	}
	for i, name := range p.Direct {
		if name == "" || strings.ContainsAny(name, ", ") {
			return fmt.Errorf("operatorProxy.direct[%d] is %q; it may be a host, a domain such as .example.com, or a network such as 10.0.0.0/8", i, name)
		}
	}
	return nil
}
