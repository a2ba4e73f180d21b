package connections

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Pool is the manager's connections, by the name of their EsimOperator.
type Pool struct {
	config Config

	mu      sync.Mutex
	byName  map[string]*Connection
	wake    func(types.NamespacedName)
	changed func(operator string)
}

// NewPool makes an empty pool.
func NewPool(config Config) *Pool {
	return &Pool{config: config, byName: map[string]*Connection{}}
}

// OnWake sets what is called with each order that may try again. It must not block.
func (p *Pool) OnWake(wake func(types.NamespacedName)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wake = wake
}

// OnChange sets what is called with the name of each operator whose State may have changed.
// It must not block.
func (p *Pool) OnChange(changed func(operator string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed = changed
}

// For is the connection of an operator; one without a driver if it was not connected yet.
func (p *Pool) For(operator string) *Connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.byName[operator]
	if !ok {
		c = newConnection(operator, p.config, p.wakeOrder, p.operatorChanged)
		p.byName[operator] = c
	}
	return c
}

// Remove disconnects an operator that is gone.
func (p *Pool) Remove(operator string) {
	p.mu.Lock()
	c, ok := p.byName[operator]
	delete(p.byName, operator)
	p.mu.Unlock()
	if ok {
		c.Disconnect()
	}
}

func (p *Pool) wakeOrder(order types.NamespacedName) {
	p.mu.Lock()
	wake := p.wake
	p.mu.Unlock()
	if wake != nil {
		wake(order)
	}
}

func (p *Pool) operatorChanged(operator string) {
	p.mu.Lock()
	changed := p.changed
	p.mu.Unlock()
	if changed != nil {
		changed(operator)
	}
}
