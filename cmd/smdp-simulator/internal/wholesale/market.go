// Package wholesale serves the fakes of wholesalers beside the SM-DP+, each on a port of its own
// over HTTPS, with one control API for all of them. Their books and credentials are in the data
// folder and outlive a restart; stock, delays and faults do not.
package wholesale

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"

	"github.com/telcodev/esim-operator/internal/operators/faults"
	"github.com/telcodev/esim-operator/internal/smdp"
)

// The wholesalers there are, by the name that is their path in the control API and their folder.
const (
	Zendit     = "zendit"
	ESIMAccess = "esim-access"
	Airalo     = "airalo"
)

// Options of a market.
type Options struct {
	// Addresses to listen on, by wholesaler. One that is not named is not served.
	Addresses map[string]string
	// DataDir is where credentials are kept: wholesalers/<name>/ in it can be made a Secret. What
	// was sold stands beside it, in wholesalers/<name>.jsonl.
	DataDir string
	// Logger; silent where nil.
	Logger *slog.Logger
}

// Market is all wholesalers that are served.
type Market struct {
	dataDir string
	log     *slog.Logger
	stalls  []*stall
}

// stall is one wholesaler at work.
type stall struct {
	name   string
	vendor vendor
	faults *faults.Injector
	port   *port
}

// New makes the wholesalers that have an address, or the credentials of those in the data folder.
// Nothing is served before Start.
func New(o Options) (*Market, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Market{dataDir: o.DataDir, log: o.Logger}
	for _, kind := range []struct {
		name  string
		keys  []string
		begin func(credentials map[string]string) (vendor, error)
	}{
		{Zendit, []string{keyZendit}, newZendit},
		{ESIMAccess, []string{keyAccessCode, keySecret}, newESIMAccess},
		{Airalo, []string{keyClientID, keyClientSecret}, newAiralo},
	} {
		address := o.Addresses[kind.name]
		if address == "" {
			continue
		}
		credentials, err := openCredentials(m.folder(kind.name), kind.keys)
		if err != nil {
			return nil, fmt.Errorf("credentials at %s: %w", kind.name, err)
		}
		vendor, err := kind.begin(credentials)
		if err != nil {
			return nil, fmt.Errorf("begin %s: %w", kind.name, err)
		}
		s := &stall{name: kind.name, vendor: vendor, faults: &faults.Injector{Name: vendor.function}}
		s.port = &port{address: address, handler: s.faults.Wrap(vendor.handler()), log: o.Logger.With("wholesaler", kind.name)}
		m.stalls = append(m.stalls, s)
	}
	return m, nil
}

func (m *Market) folder(name string) string { return filepath.Join(m.dataDir, "wholesalers", name) }

// ControlParts are the wholesalers' parts of the control API. Without wholesalers there are none.
func (m *Market) ControlParts() []smdp.ControlPart {
	var parts []smdp.ControlPart
	for _, s := range m.stalls {
		parts = append(parts, smdp.ControlPart{Path: "/" + s.name + "/", Handler: s.control()})
	}
	if len(parts) > 0 {
		parts[0].Guide = ControlGuide
	}
	return parts
}

// Start opens the books, then the ports with this certificate, and writes the CA by which it is
// checked beside the credentials. The data folder must be this process's alone by then. Close
// must be called, also after an error.
func (m *Market) Start(ctx context.Context, certificate tls.Certificate, ca []byte) error {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"},
	}
	for _, s := range m.stalls {
		if err := writeFile(filepath.Join(m.folder(s.name), "ca.crt"), ca); err != nil {
			return err
		}
		if err := s.vendor.KeepBooks(m.folder(s.name) + ".jsonl"); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.port.tls = config
		if err := s.port.open(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		m.log.Info("serving wholesaler", "name", s.name, "address", s.port.address)
	}
	return nil
}

// Address that a wholesaler listens on; empty where it is not served.
func (m *Market) Address(name string) string {
	for _, s := range m.stalls {
		if s.name == name {
			return s.port.current()
		}
	}
	return ""
}

// Close closes the ports. What hangs ends.
func (m *Market) Close() error {
	var errs []error
	for _, s := range m.stalls {
		errs = append(errs, s.port.end(), s.vendor.Close())
	}
	return errors.Join(errs...)
}

// inject has something go wrong with calls, or with the port as a whole.
func (s *stall) inject(f faults.Fault) (int, error) {
	if f.Kind == refuseConnection {
		return 0, s.port.shut()
	}
	return s.faults.Inject(f)
}

// clear ends all faults. Its port is open again.
func (s *stall) clear(r *http.Request) error {
	s.faults.Clear()
	return s.port.open(context.WithoutCancel(r.Context()))
}
