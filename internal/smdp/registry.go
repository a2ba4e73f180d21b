package smdp

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/telcodev/esim-operator/internal/activation"
)

// maxProfileTypes bounds how many types can come into being by being asked for.
const maxProfileTypes = 10_000

// registry is the SM-DP+'s memory: profiles, stock and ledger. Every operation costs the same
// however large the stock: profiles come into being when they are ordered.
//
// A change is written to the journal before it is made, so that what was answered is never
// forgotten.
type registry struct {
	iccids  iccidSource
	journal journal
	random  io.Reader
	// defaultStock of a profile type that nobody set; false where the type is unknown.
	defaultStock func(profileType string) (int, bool)
	mayOrder     func(requester, profileType string) bool

	mu       sync.Mutex
	profiles map[activation.ICCID]profile
	// shelves hold how many profiles of a type DownloadOrder can still get.
	shelves map[string]int
	// returned are the profiles of a type that were given back: the last comes first in line
	// again. Entries of profiles that are no longer Available are stale, and skipped.
	returned    map[string][]activation.ICCID
	matchingIDs map[matchingKey]activation.ICCID
	ledger      *ledger
	replays     replays
}

// matchingKey says how far a matching ID is unique: per operator.
type matchingKey struct{ owner, matchingID string }

// change is what one operation does; each part is optional.
type change struct {
	profile *profile
	stock   *stockLevel
	entry   *LedgerEntry
}

type stockLevel struct {
	profileType string
	available   int
	// gone tells that the type is not sold any more.
	gone bool
}

// commit writes the change to the journal, then makes it. The caller holds mu.
func (r *registry) commit(c change) error {
	if err := r.journal.append(c); err != nil {
		return fmt.Errorf("write to the data folder: %w", err)
	}
	r.apply(c)
	return nil
}

// apply makes a change that the journal holds. The caller holds mu.
func (r *registry) apply(c change) {
	if c.profile != nil {
		r.put(*c.profile)
	}
	if s := c.stock; s != nil {
		if s.gone {
			delete(r.shelves, s.profileType)
		} else {
			r.shelves[s.profileType] = s.available
		}
	}
	if c.entry != nil {
		r.ledger.add(*c.entry)
	}
}

func (r *registry) put(p profile) {
	old, existed := r.profiles[p.ICCID]
	if existed && old.hasMatchingID {
		delete(r.matchingIDs, matchingKey{old.Owner, old.matchingID.Reveal()})
	}
	r.profiles[p.ICCID] = p
	if p.hasMatchingID && !p.matchingID.Empty() {
		r.matchingIDs[matchingKey{p.Owner, p.matchingID.Reveal()}] = p.ICCID
	}
	if p.State == StateAvailable && old.State != StateAvailable {
		r.returned[p.ProfileType] = append(r.returned[p.ProfileType], p.ICCID)
	}
}

// available is how many profiles of the type can be ordered; false where the type is unknown.
func (r *registry) available(profileType string) (int, bool) {
	if available, ok := r.shelves[profileType]; ok {
		return available, true
	}
	if len(r.shelves) >= maxProfileTypes {
		return 0, false
	}
	return r.defaultStock(profileType)
}

// nextOfType is the profile that the next order of the type gets: one that was given back, or
// a new one.
func (r *registry) nextOfType(profileType string) (profile, error) {
	for line := r.returned[profileType]; len(line) > 0; {
		if p := r.profiles[line[len(line)-1]]; p.State == StateAvailable {
			return p, nil
		}
		line = line[:len(line)-1]
		r.returned[profileType] = line
	}
	iccid, err := r.iccids.next(r.random, func(i activation.ICCID) bool {
		_, used := r.profiles[i]
		return used
	})
	if err != nil {
		return profile{}, err
	}
	return profile{Profile: Profile{ICCID: iccid, ProfileType: profileType, State: StateAvailable}}, nil
}

// setStock sets how many profiles of the type can be ordered; a negative number takes the type
// off, so that it is unknown, or back to the default stock.
func (r *registry) setStock(profileType string, available int) error {
	if profileType == "" {
		return errors.New("the profile type is empty")
	}
	if refused := checkProfileType(profileType); refused != nil {
		return errors.New(refused.message)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.commit(change{stock: &stockLevel{profileType: profileType, available: max(0, available), gone: available < 0}})
}

// stock is how many profiles of the type can be ordered.
func (r *registry) stock(profileType string) (int, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.available(profileType)
}

// stocks of the types that were set or ordered.
func (r *registry) stocks() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.shelves)
}

// entries of the ledger, oldest first.
func (r *registry) entries() []LedgerEntry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ledger.all()
}

// list is every profile that was ever ordered, by ICCID.
func (r *registry) list() []Profile {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Profile, 0, len(r.profiles))
	for _, p := range r.profiles {
		out = append(out, p.Profile)
	}
	slices.SortFunc(out, func(a, b Profile) int { return strings.Compare(string(a.ICCID), string(b.ICCID)) })
	return out
}

// get is one profile; false where there is none.
func (r *registry) get(iccid activation.ICCID) (Profile, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.profiles[iccid]
	return p.Profile, ok
}

// hasMatchingID tells whether the matching ID downloads this profile.
func (r *registry) hasMatchingID(iccid activation.ICCID, id activation.Credential) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.profiles[iccid]
	return ok && p.hasMatchingID && p.matchingID.Equal(id)
}

// onDevice lets a device take the steps with a profile, all or none of them, and returns the
// profile after them.
func (r *registry) onDevice(iccid activation.ICCID, steps ...deviceStep) (profile, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.profiles[iccid]
	if !ok {
		return profile{}, fmt.Errorf("%s: %w", iccid, ErrUnknownProfile)
	}
	for _, step := range steps {
		var err error
		if p, err = step.take(p); err != nil {
			return profile{}, err
		}
	}
	err := r.commit(change{profile: &p})
	return p, err
}

// closeJournal writes what is to be written. Nothing can be changed afterwards.
func (r *registry) closeJournal() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.journal.close()
	if _, inMemory := r.journal.(noJournal); !inMemory {
		r.journal = closedJournal{}
	}
	return err
}

// snapshot is a sequence of changes that makes this state out of nothing. Nobody else uses
// the registry meanwhile.
func (r *registry) snapshot() iter.Seq[change] {
	return func(yield func(change) bool) {
		for profileType, available := range r.shelves {
			if !yield(change{stock: &stockLevel{profileType: profileType, available: available}}) {
				return
			}
		}
		// Profiles that were given back come last, in the order of their line.
		for _, p := range r.profiles {
			if p.State != StateAvailable && !yield(change{profile: &p}) {
				return
			}
		}
		for _, line := range r.returned {
			for _, iccid := range line {
				if p := r.profiles[iccid]; p.State == StateAvailable && !yield(change{profile: &p}) {
					return
				}
			}
		}
		for _, e := range r.ledger.all() {
			if !yield(change{entry: &e}) {
				return
			}
		}
	}
}
