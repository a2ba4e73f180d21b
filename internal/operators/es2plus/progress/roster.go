package progress

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"reflect"
	"sync"
	"time"
)

// maxIntermediates bounds how many certificates of a sender's chain are looked at.
const maxIntermediates = 8

// Senders are the EsimOperators that notifications are taken for, as they are now. Where some
// cannot be read it returns the others, with an error: a sender that none of them knows may be
// theirs, and is told to try again.
type Senders func(ctx context.Context) ([]Sender, error)

// roster knows who may speak. It compiles each operator's terms once, until they change.
type roster struct {
	senders Senders

	mu   sync.Mutex
	last map[string]entry
}

// sender is who sent a notification.
type sender struct {
	// speakers are the operators that it speaks for.
	speakers []*speaker
	// perhapsMore tells that there are operators that could not be checked.
	perhapsMore bool
}

func (s sender) operators() []string {
	out := make([]string, 0, len(s.speakers))
	for _, speaker := range s.speakers {
		out = append(out, speaker.operator)
	}
	return out
}

// entry is what became of a Sender.
type entry struct {
	from    Sender
	speaker *speaker
	err     error
}

// speakers are those that can be checked against, and why others cannot.
func (r *roster) speakers(ctx context.Context) ([]*speaker, error) {
	senders, err := r.senders(ctx)
	errs := []error{err}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := make(map[string]entry, len(senders))
	out := make([]*speaker, 0, len(senders))
	for _, sender := range senders {
		known, found := r.last[sender.Operator]
		if !found || !known.from.equal(sender) {
			known = entry{from: sender}
			known.speaker, known.err = newSpeaker(sender)
		}
		now[sender.Operator] = known
		if known.err != nil {
			errs = append(errs, known.err)
			continue
		}
		out = append(out, known.speaker)
	}
	r.last = now
	return out, errors.Join(errs...)
}

func (s Sender) equal(other Sender) bool {
	return bytes.Equal(s.CA, other.CA) && reflect.DeepEqual(s.Terms, other.Terms)
}

// identify finds the operators that the sender of these certificates, its own first, speaks
// for. Several may share an SM-DP+. Where it speaks for none, refusal tells what came nearest.
func identify(speakers []*speaker, certificates []*x509.Certificate, now time.Time) (found []*speaker, refusal error) {
	intermediates := x509.NewCertPool()
	for _, certificate := range certificates[1:min(len(certificates), 1+maxIntermediates)] {
		intermediates.AddCert(certificate)
	}
	refusal = errNotPinned
	for _, s := range speakers {
		switch err := s.accepts(certificates[0], intermediates, now); {
		case err == nil:
			found = append(found, s)
		case !errors.Is(err, errNotPinned):
			refusal = err
		}
	}
	return found, refusal
}
