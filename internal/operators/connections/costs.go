package connections

import "github.com/telcodev/esim-operator/internal/money"

// Cost is what an operator takes for a plan, as it listed last.
type Cost struct {
	Amount money.Amount
	// Currency, ISO 4217.
	Currency string
	// Countries that it buys, of a plan that is sold for a region: ISO 3166-1 alpha-3 codes. Nil
	// for a single country's.
	Countries []string
}

// Above tells whether the cost is known to be above a price: where the currencies differ it is
// not known.
func (c Cost) Above(price money.Amount, currency string) bool {
	return c.Currency == currency && c.Amount.Cmp(price) > 0
}

// Listed learns what the operator takes for each of its plans.
func (c *Connection) Listed(costs map[string]Cost) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.costs = costs
}

// HasListed tells whether the operator has told its costs since the manager started.
func (c *Connection) HasListed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.costs != nil
}

// Cost is what the operator takes for a plan; false where it has not told.
func (c *Connection) Cost(plan string) (Cost, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cost, ok := c.costs[plan]
	return cost, ok
}
