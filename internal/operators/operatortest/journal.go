package operatortest

import (
	"context"
	"sync"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
)

// Journal is operators.Journal in memory: what the Secret of an order would hold. It survives
// the drivers, as a Secret survives the process. It is safe for concurrent use.
type Journal struct {
	// Broken, where set, is why nothing can be written.
	Broken error

	mu        sync.Mutex
	profile   *operators.Profile
	unwritten activation.ICCID
	writes    int
}

// Profile is what stands in the journal.
func (j *Journal) Profile() (operators.Profile, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.profile == nil {
		return operators.Profile{}, false
	}
	return *j.profile, true
}

// Write stores a profile. Where another stands there already with another ICCID, that one
// stays and is returned.
func (j *Journal) Write(ctx context.Context, p operators.Profile) (operators.Profile, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.Broken != nil:
		return operators.Profile{}, j.Broken
	case ctx.Err() != nil:
		return operators.Profile{}, ctx.Err()
	case j.profile != nil && j.profile.ICCID != p.ICCID:
		return *j.profile, nil
	}
	j.profile = &p
	j.writes++
	return p, nil
}

// Unwritten is a profile that was obtained and not written.
func (j *Journal) Unwritten() (activation.ICCID, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.unwritten, j.unwritten != ""
}

// Obtained notes a profile that is not written yet.
func (j *Journal) Obtained(iccid activation.ICCID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.unwritten = iccid
}

// Dropped forgets it.
func (j *Journal) Dropped() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.unwritten = ""
}
