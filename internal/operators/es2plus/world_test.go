package es2plus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
)

// world is one order with all that a manager sees of it: its status and Secret at the API
// server, and an SM-DP+. Every call to the outside goes through call, where it can fail.
type world struct {
	options
	smdp    double
	status  orderStatus
	learned string
	secret  *storedSecret
	version int
	// step decides over each call: what becomes of it, and, where two managers overlap, when.
	step func(label string) effect
	// happens decides over each event.
	happens func(label string) bool

	managers    []*manager
	log         []string
	faults      int
	crashes     int
	answersLost int32 // as the driver counts them
	waits       int   // passes that began with a profile which lacks its address
}

// options of a world.
type options struct {
	// configured is spec.es2plus.smdpAddress.
	configured string
	// configuredLate is what a person sets it to once an order waits for it.
	configuredLate string
	// installs and tenantDeletes allow for these events between two passes.
	installs, tenantDeletes bool
	// quota is how many reservations go by before the Secret can be written.
	quota int
}

type orderStatus struct {
	phase          string
	attempt        int
	iccid, closing activation.ICCID
	version        int
}

type storedSecret struct {
	attempt int
	profile operators.Profile
	version int
}

// effect is what becomes of a call.
type effect int

const (
	done effect = iota
	fails
	lostAfterExecution
	lostBeforeExecution
	crashBefore
	crashAfter
	effects // how many there are
)

func (e effect) String() string {
	return [...]string{"done", "fails", "answer lost", "request lost", "crash before", "crash after"}[e]
}

var (
	errFails    = errors.New("refused before it was done")
	errLost     = errors.New("no answer")
	errConflict = errors.New("409")
	errQuota    = fmt.Errorf("%w: 403", operators.ErrJournalRefused)
)

// crash is the panic by which a manager dies.
type crash struct{}

// manager works on the order: the controller's part of the recovery, with the real driver.
type manager struct {
	*world
	driver    *Driver
	seen      orderStatus
	unwritten map[int]activation.ICCID // by attempt
}

func (w *world) manager(seed uint64) *manager {
	m := &manager{world: w, unwritten: map[int]activation.ICCID{}}
	m.driver = newDriver(Config{
		FunctionRequesterIdentifier: "OPERATOR-1",
		Rand:                        rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), 7}),
	}, m)
	w.managers = append(w.managers, m)
	return m
}

// call does f, or does not, or does not tell.
func (w *world) call(label string, f func() error) error {
	what := w.step(label)
	w.log = append(w.log, label+": "+what.String())
	if what != done {
		w.faults++
	}
	switch what {
	case fails:
		return errFails
	case lostBeforeExecution:
		return errLost
	case crashBefore:
		panic(crash{})
	}
	err := f()
	switch what {
	case lostAfterExecution:
		return errLost
	case crashAfter:
		panic(crash{})
	}
	return err
}

// exchange makes a manager its driver's transport.
func (m *manager) exchange(_ context.Context, path string, request []byte) (r reply) {
	function := functionOf(path)
	err := m.call(string(function), func() error {
		r = m.smdp.execute(function, request)
		return nil
	})
	switch {
	case errors.Is(err, errFails):
		return reply{fate: notSent, err: err}
	case err != nil:
		return reply{fate: unanswered, err: err}
	default:
		return r
	}
}

func (m *manager) connect(context.Context) reply { return reply{fate: answered} }
func (m *manager) close()                        {}

// writeStatus is an Update with a resourceVersion.
func (m *manager) writeStatus(label string, change func(*orderStatus)) error {
	return m.call("status "+label, func() error {
		if m.seen.version != m.status.version {
			return errConflict
		}
		change(&m.status)
		m.status.version++
		m.seen = m.status
		return nil
	})
}

// pass is one reconcile. It returns false if the manager died in it.
func (m *manager) pass() (alive bool) {
	defer func() {
		if cause := recover(); cause != nil {
			if _, ok := cause.(crash); !ok {
				panic(cause)
			}
			m.crashes++
			m.unwritten = map[int]activation.ICCID{}
			alive = false
		}
	}()
	m.log = append(m.log, "-- pass")
	// An error means another pass, and no more.
	if err := m.reconcile(); err != nil {
		m.log = append(m.log, "   -> "+err.Error())
	}
	return true
}

func (m *manager) reconcile() error {
	j := &memoryJournal{manager: m}
	if m.seen.attempt == 0 {
		if err := m.writeStatus("intent", func(s *orderStatus) { s.attempt = 1 }); err != nil {
			return err
		}
	} else if err := j.read(); err != nil {
		return err
	}
	if m.seen.closing != "" {
		return m.giveBack(j, false)
	}
	_, written := j.Profile()
	if _, unwritten := j.Unwritten(); m.seen.iccid != "" && !written && !unwritten {
		return m.closeProfile(j, m.seen.iccid)
	}
	profile, err := m.driver.Provision(context.Background(), operators.Purchase{
		RequestID: m.requestID(), PlanID: "JP-1GB-7D", ConfiguredAddress: m.configured, LearnedAddress: m.learned,
	}, j)
	if err != nil {
		return m.notProvisioned(j, err)
	}
	return m.deliver(j, profile)
}

func (m *manager) requestID() string { return fmt.Sprintf("ORDER-%d", m.seen.attempt) }

// address is the one that is known: the answered one counts more than the configured one.
func (m *manager) address() string {
	if m.learned != "" {
		return m.learned
	}
	return m.configured
}

func (m *manager) notProvisioned(j *memoryJournal, err error) error {
	var failed *operators.Error
	if !errors.As(err, &failed) {
		panic("an error that is not an operator's: " + err.Error())
	}
	m.answersLost += failed.LostAnswers
	if failed.Class == operators.Restart {
		return m.closeProfile(j, failed.ICCID)
	}
	if failed.ICCID != m.seen.iccid {
		if noted := m.writeStatus("note ICCID", func(s *orderStatus) { s.iccid = failed.ICCID }); noted != nil {
			return noted
		}
	}
	return err
}

// closeProfile is written before CancelOrder leaves.
func (m *manager) closeProfile(j *memoryJournal, iccid activation.ICCID) error {
	if err := m.writeStatus("closing", func(s *orderStatus) { s.closing, s.iccid = iccid, iccid }); err != nil {
		return err
	}
	return m.giveBack(j, true)
}

func (m *manager) giveBack(j *memoryJournal, first bool) error {
	held := operators.Held{RequestID: m.requestID(), ICCID: m.seen.closing}
	entry, written := j.Profile()
	if written = written && entry.ICCID == held.ICCID; written {
		held.MatchingID = entry.MatchingID
	}
	err := m.driver.GiveBack(context.Background(), held)
	switch {
	case err == nil, errors.Is(err, operators.ErrUnknownProfile):
		return m.writeStatus("next attempt", func(s *orderStatus) {
			s.attempt, s.iccid, s.closing = s.attempt+1, "", ""
		})
	case errors.Is(err, operators.ErrInstalled) && first && written:
		return m.writeStatus("DELIVERED (installed)", func(s *orderStatus) { s.phase = "DELIVERED" })
	case errors.Is(err, operators.ErrInstalled), errors.Is(err, operators.ErrNotOurs):
		return m.writeStatus("ask a person", func(s *orderStatus) { s.phase = "PERSON" })
	default:
		return err
	}
}

func (m *manager) deliver(j *memoryJournal, profile operators.Profile) error {
	if profile.SMDPAddress != m.address() {
		learn := func() error { m.learned = profile.SMDPAddress; return nil }
		if err := m.call("EsimOperator.status.smdpAddress", learn); err != nil {
			return m.noteAnd(err, profile.ICCID)
		}
	}
	if entry, _ := j.Profile(); entry.SMDPAddress != profile.SMDPAddress || !entry.MatchingID.Equal(profile.MatchingID) {
		stands, err := j.Write(context.Background(), profile)
		if err == nil && (stands.SMDPAddress != profile.SMDPAddress || !stands.MatchingID.Equal(profile.MatchingID)) {
			err = errConflict
		}
		if err != nil {
			return m.noteAnd(err, profile.ICCID)
		}
	}
	return m.writeStatus("DELIVERED", func(s *orderStatus) { s.phase = "DELIVERED" })
}

// noteAnd puts the ICCID into the status write that a pass makes at its end anyway.
func (m *manager) noteAnd(err error, iccid activation.ICCID) error {
	return errors.Join(err, m.writeStatus("note ICCID", func(s *orderStatus) { s.iccid = iccid }))
}

// memoryJournal is the order's Secret.
type memoryJournal struct {
	*manager
	stored *storedSecret // as it was read
}

func (j *memoryJournal) read() error {
	return j.call("GET Secret", func() error {
		j.stored = nil
		if j.secret != nil {
			secret := *j.secret
			if secret.attempt > j.seen.attempt {
				return errConflict
			}
			j.stored = &secret
		}
		return nil
	})
}

func (j *memoryJournal) Profile() (operators.Profile, bool) {
	if j.stored == nil || j.stored.attempt != j.seen.attempt {
		return operators.Profile{}, false
	}
	return j.stored.profile, true
}

func (j *memoryJournal) Unwritten() (activation.ICCID, bool) {
	iccid, ok := j.unwritten[j.seen.attempt]
	return iccid, ok
}

func (j *memoryJournal) Obtained(iccid activation.ICCID) { j.unwritten[j.seen.attempt] = iccid }
func (j *memoryJournal) Dropped()                        { delete(j.unwritten, j.seen.attempt) }

func (j *memoryJournal) Write(_ context.Context, profile operators.Profile) (operators.Profile, error) {
	err := j.call("write Secret", func() error {
		switch {
		case j.quota > 0 && len(j.smdp.requestsTo(es2plus.DownloadOrder)) <= j.quota:
			return errQuota
		case j.stored == nil && j.secret != nil:
			return errConflict
		case j.stored != nil && (j.secret == nil || j.secret.version != j.stored.version):
			return errConflict
		}
		j.version++
		j.secret = &storedSecret{attempt: j.seen.attempt, profile: profile, version: j.version}
		stored := *j.secret
		j.stored = &stored
		return nil
	})
	switch {
	case errors.Is(err, operators.ErrJournalRefused):
		return operators.Profile{}, err
	case err != nil:
		if standing := j.read(); standing != nil {
			return operators.Profile{}, standing
		}
	}
	stands, ok := j.Profile()
	if !ok {
		return operators.Profile{}, err
	}
	j.Dropped()
	return stands, nil
}

// violations is what must not be, once the order is at rest.
func (w *world) violations() (found []string) {
	report := func(broken bool, what string) {
		if broken {
			found = append(found, what)
		}
	}
	bought := w.smdp.inState(stateReleased, stateInstalled)
	report(len(bought) > 1, "bought twice")
	switch {
	case w.status.phase == "DELIVERED" && w.secret == nil:
		report(true, "delivered without a code")
	case w.status.phase == "DELIVERED":
		delivered := w.secret.profile
		profile := w.smdp.profiles[delivered.ICCID]
		alive := profile != nil && (profile.state == stateReleased || profile.state == stateInstalled)
		report(!alive, "delivered a dead code")
		report(alive && profile.matchingID != delivered.MatchingID.Reveal(), "delivered another matching ID")
		right := w.smdp.smdpAddress
		if right == "" {
			right = w.configured
		}
		report(alive && profile.state == stateReleased && delivered.SMDPAddress != right, "delivered a wrong SM-DP+ address")
	case w.status.phase == "PERSON":
		report(!w.installs && !w.tenantDeletes, "a person was asked without need")
	default:
		report(true, "never delivered")
	}
	stranded := len(w.smdp.inState(stateAllocated))
	for _, m := range w.managers {
		stranded -= len(m.unwritten) // it lost the order to another manager, but knows of it
	}
	taken := len(w.smdp.inState(stateUnavailable)) // of two managers, the loser's is too
	report(taken > w.faults && len(w.managers) == 1, "gave up more profiles than calls failed")
	report(stranded > w.faults, "stranded more profiles than calls failed")
	report(stranded > int(w.answersLost)+w.crashes, "stranded a profile that nobody counted")
	return found
}
