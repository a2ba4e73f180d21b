package smdp

import (
	"fmt"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// SetStock sets how many profiles of the type can be ordered. A negative number takes the
// type off: it is unknown then, or has the default stock again.
func (s *Server) SetStock(profileType string, n int) error {
	if err := s.registry.setStock(profileType, n); err != nil {
		return fmt.Errorf("set the stock: %w", err)
	}
	return nil
}

// Stock is how many profiles of the type can be ordered; 0 where the type is unknown.
func (s *Server) Stock(profileType string) int {
	n, _ := s.registry.stock(profileType)
	return n
}

// SetLatency of the functions or, without any, of all.
func (s *Server) SetLatency(l Latency, functions ...es2plus.Function) error {
	return s.latencies.set(l, functions...)
}

// SetSMDPAddress that ConfirmOrder answers from now on; empty answers none.
func (s *Server) SetSMDPAddress(address string) {
	s.settings.Lock()
	defer s.settings.Unlock()
	s.settings.smdpAddress = address
}

// SetBehaviour from now on.
func (s *Server) SetBehaviour(b Behaviour) {
	s.settings.Lock()
	defer s.settings.Unlock()
	b.smdpAddress = s.settings.smdpAddress
	s.settings.Behaviour = b
}

// SetNotifications says where notifications go from now on.
func (s *Server) SetNotifications(n Notifications) error { return s.notifier.set(n) }

func (s *Server) behaviour() Behaviour {
	s.settings.Lock()
	defer s.settings.Unlock()
	return s.settings.Behaviour
}

// Inject makes something go wrong with the next calls.
func (s *Server) Inject(f Fault) error {
	_, err := s.inject(f)
	return err
}

func (s *Server) inject(f Fault) (int, error) {
	id, err := s.faults.inject(f)
	if err != nil {
		return 0, err
	}
	s.log.Info("fault injected", "id", id, "kind", f.Kind, "function", f.Function, "times", f.Times, "fraction", f.Fraction)
	if f.Kind == FaultRefuseConnection {
		return id, s.applyRefusal()
	}
	return id, nil
}

// ClearFaults ends all faults: what hangs goes on, and connections are let in.
func (s *Server) ClearFaults() error {
	s.faults.clear(func(Fault) bool { return true })
	return s.applyRefusal()
}

// clearFault ends one fault; false where there is none with the ID.
func (s *Server) clearFault(id int) (bool, error) {
	found := s.faults.clear(func(f Fault) bool { return f.ID == id })
	return found, s.applyRefusal()
}

// applyRefusal opens or closes the port as the faults want it. While connections are being
// refused, none is kept for a second call: each call must knock.
func (s *Server) applyRefusal() error {
	s.refusing.Lock()
	defer s.refusing.Unlock()
	if s.gate == nil {
		return nil
	}
	some, all := s.faults.refusing()
	if all {
		if err := s.gate.shut(); err != nil {
			return fmt.Errorf("close the ES2+ port: %w", err)
		}
	} else if err := s.gate.open(s.ending); err != nil {
		return err
	}
	s.gate.turnAway(some)
	return nil
}

// refuses tells whether the next connection is refused. After the last refusal connections
// are kept again.
func (s *Server) refuses() bool {
	s.refusing.Lock()
	defer s.refusing.Unlock()
	refused := s.faults.refuses()
	if some, _ := s.faults.refusing(); refused && !some {
		s.gate.turnAway(false)
	}
	return refused
}

// chance draws whether something with this probability happens.
func (s *Server) chance(fraction float64) bool {
	u, err := s.random.uniform()
	if err != nil {
		s.log.Error("no randomness for a fault; it does not hit", "error", err)
		return false
	}
	return u < fraction
}

// Faults that were not cleared, spent ones included.
func (s *Server) Faults() []Fault { return s.faults.list() }

// Ledger of every call that was executed, oldest first.
func (s *Server) Ledger() []LedgerEntry { return s.registry.entries() }

// Profiles that were ever ordered, by ICCID.
func (s *Server) Profiles() []Profile { return s.registry.list() }

// Profile with this ICCID; false where there is none.
func (s *Server) Profile(iccid activation.ICCID) (Profile, bool) { return s.registry.get(iccid) }

// HasMatchingID tells whether an activation code with the matching ID downloads the profile.
// It is how tests tell a live code from a dead one; nothing shows the matching ID itself.
func (s *Server) HasMatchingID(iccid activation.ICCID, id activation.Credential) bool {
	return s.registry.hasMatchingID(iccid, id)
}

// SentNotifications are the last tries to send a notification, oldest first.
func (s *Server) SentNotifications() []SentNotification { return s.notifier.list() }
