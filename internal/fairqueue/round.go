package fairqueue

import "container/list"

// Round holds items, each of one client and each once, and hands them out in turn by client;
// those of one client in their order. A client that comes is last in the round. The zero value
// is empty. It is not safe for concurrent use.
type Round[T comparable] struct {
	// turns are the lanes in the order in which the next item is taken from each.
	turns  list.List
	lanes  map[string]*lane
	places map[T]place
}

// lane is what one client wants. It exists while that is something.
type lane struct {
	client string
	items  list.List
	// turn is the lane's element in the round.
	turn *list.Element
}

// place is where an item stands.
type place struct {
	lane    *lane
	element *list.Element
}

// Push puts an item last among its client's; one that is there already stays where it is, and
// Push is false.
func (r *Round[T]) Push(client string, item T) bool {
	if _, ok := r.places[item]; ok {
		return false
	}
	if r.places == nil {
		r.lanes, r.places = map[string]*lane{}, map[T]place{}
	}
	l, ok := r.lanes[client]
	if !ok {
		l = &lane{client: client}
		l.turn = r.turns.PushBack(l)
		r.lanes[client] = l
	}
	r.places[item] = place{l, l.items.PushBack(item)}
	return true
}

// Pop takes the next item; false where there is none.
func (r *Round[T]) Pop() (T, bool) {
	front := r.turns.Front()
	if front == nil {
		return *new(T), false
	}
	l := front.Value.(*lane) //nolint:errcheck,forcetypeassert // Push puts nothing else there
	r.turns.MoveToBack(front)
	item := l.items.Front().Value.(T) //nolint:errcheck,forcetypeassert // Push puts nothing else there
	r.Remove(item)
	return item, true
}

// Remove takes an item out before its turn; false where it is not there.
func (r *Round[T]) Remove(item T) bool {
	at, ok := r.places[item]
	if !ok {
		return false
	}
	delete(r.places, item)
	at.lane.items.Remove(at.element)
	if at.lane.items.Len() == 0 {
		r.turns.Remove(at.lane.turn)
		delete(r.lanes, at.lane.client)
	}
	return true
}

// Has tells whether an item is there.
func (r *Round[T]) Has(item T) bool {
	_, ok := r.places[item]
	return ok
}

// Len is how many items there are.
func (r *Round[T]) Len() int { return len(r.places) }
