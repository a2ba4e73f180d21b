package connections

import (
	"maps"
	"slices"
)

// Load is how busy an operator is now.
type Load struct {
	// Operator is the EsimOperator's name.
	Operator string
	// InFlight is how many orders are with the operator, of at most Limit.
	InFlight, Limit int
	// Waiting is how many orders wait for a slot, or for calls to go on.
	Waiting int
	// CircuitOpen tells that calls pause, or that it is being tried whether they may go on.
	CircuitOpen bool
}

// Loads are those of all operators, in no order.
func (p *Pool) Loads() []Load {
	p.mu.Lock()
	all := slices.Collect(maps.Values(p.byName))
	p.mu.Unlock()
	loads := make([]Load, 0, len(all))
	for _, c := range all {
		loads = append(loads, c.load())
	}
	return loads
}

func (c *Connection) load() Load {
	open := !c.breaker.IsClosed()
	c.mu.Lock()
	defer c.mu.Unlock()
	return Load{
		Operator: c.name, InFlight: c.inFlight, Limit: c.limit,
		Waiting: c.waiting.fresh.Len() + c.waiting.retries.Len(), CircuitOpen: open,
	}
}
