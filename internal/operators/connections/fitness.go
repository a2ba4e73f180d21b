package connections

import "time"

// Fitness tells whether orders should be given to an operator while another one could fill them.
type Fitness struct {
	// UnfitSince is since when the operator cannot be called, or calls make no sense; zero where
	// it can be.
	UnfitSince time.Time
	// Trial tells that the operator may be back, as a probe says, and that one order should find
	// out: an operator that nobody calls would stay unfit for ever.
	Trial bool
}

// Unfit tells whether the operator has been unfit for so long at a time.
func (f Fitness) Unfit(now time.Time, atLeast time.Duration) bool {
	return !f.UnfitSince.IsZero() && now.Sub(f.UnfitSince) >= atLeast
}

// TakeTrial tells whether one order should find out whether an unfit operator is back, and says so
// to one order in each TrialInterval: all that wait elsewhere would come at once, and go away again.
func (c *Connection) TakeTrial() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.fitnessLocked().Trial || now.Before(c.nextTaken) {
		return false
	}
	c.nextTaken = now.Add(c.config.TrialInterval)
	return true
}

// Fitness is what calls and probes say now. It counts from when it was asked for first, by an
// order or by the operator's status.
func (c *Connection) Fitness() Fitness {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fitnessLocked()
}

func (c *Connection) fitnessLocked() Fitness {
	now := time.Now()
	breaking := !c.breaker.IsClosed()
	if c.driver != nil && c.suspension == nil && !breaking && c.probeFailed.IsZero() {
		c.unfitSince = time.Time{}
		return Fitness{}
	}
	if c.unfitSince.IsZero() {
		c.unfitSince = now
		if !c.probeFailed.IsZero() && c.probeFailed.Before(now) {
			c.unfitSince = c.probeFailed
		}
	}
	mayTry := c.driver != nil && !c.shut && c.probeFailed.IsZero() && c.probed.After(c.unfitSince)
	if c.suspension != nil {
		mayTry = mayTry && !now.Before(c.suspension.nextTrial)
	}
	if breaking {
		mayTry = mayTry && (c.breaker.IsHalfOpen() || c.breaker.RemainingDelay() <= 0)
	}
	return Fitness{UnfitSince: c.unfitSince, Trial: mayTry}
}

// Probed learns what a probe found.
func (c *Connection) Probed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probed = time.Now()
	switch {
	case err == nil:
		c.probeFailed = time.Time{}
	case c.probeFailed.IsZero():
		c.probeFailed = c.probed
	}
	c.fitnessLocked()
}
