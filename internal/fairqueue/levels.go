package fairqueue

import (
	"cmp"
	"slices"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// lowerShare: of so many requests handed out while several priorities have some, one is of a
// lower priority than the highest. Else one client that keeps the highest busy would hold up
// whatever another one has at a lower.
const lowerShare = 4

// levels order the requests that are ready: a Round for each priority. It is the storage of a
// work queue, which calls the methods of workqueue.Queue under its own lock.
type levels struct {
	// sorted from the highest priority to the lowest; one for each that was ever asked for,
	// which are as many as the code has.
	sorted []*level
	at     map[reconcile.Request]*level
	// popped counts requests handed out; lower, those of lower priorities.
	popped, lower int

	mu sync.Mutex
	// wanted is the priority of each request that is queued, or is to be once it is done;
	// running, of each that was handed out and is not done.
	wanted, running map[reconcile.Request]int
}

// level is what is ready at one priority.
type level struct {
	Round[reconcile.Request]
	priority int
}

func newLevels() *levels {
	return &levels{
		at:     map[reconcile.Request]*level{},
		wanted: map[reconcile.Request]int{}, running: map[reconcile.Request]int{},
	}
}

// want notes the priority of a request that is about to be added: the highest that anybody asked
// for. Should the same request be handed out before it is added, the note is gone; it comes again
// at priority 0 then, too early rather than too late.
func (l *levels) want(request reconcile.Request, priority int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.wanted[request]; ok {
		priority = max(priority, known)
	}
	l.wanted[request] = priority
}

// queued tells whether a request is going to be handed out without a further Add.
func (l *levels) queued(request reconcile.Request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.wanted[request]
	return ok
}

func (l *levels) priorityOf(request reconcile.Request) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wanted[request]
}

// Push adds a request that is not there.
func (l *levels) Push(request reconcile.Request) {
	to := l.level(l.priorityOf(request))
	to.Push(request.Namespace, request)
	l.at[request] = to
}

// Touch moves a request up that was added again at a higher priority.
func (l *levels) Touch(request reconcile.Request) {
	if from := l.at[request]; l.priorityOf(request) > from.priority {
		from.Remove(request)
		l.Push(request)
	}
}

// Len is how many requests are ready.
func (l *levels) Len() int { return len(l.at) }

// Pop takes the next request. There must be one.
func (l *levels) Pop() reconcile.Request {
	from := l.next()
	request, _ := from.Pop()
	delete(l.at, request)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.wanted, request)
	l.running[request] = from.priority
	return request
}

// next is the level to take a request from.
func (l *levels) next() *level {
	l.popped++
	var first *level
	var lower []*level
	for _, each := range l.sorted {
		switch {
		case each.Len() == 0:
		case first == nil:
			first = each
		default:
			lower = append(lower, each)
		}
	}
	if len(lower) == 0 || l.popped%lowerShare != 0 {
		return first
	}
	l.lower++
	return lower[l.lower%len(lower)]
}

func (l *levels) level(priority int) *level {
	i, ok := slices.BinarySearchFunc(l.sorted, priority, func(each *level, wanted int) int {
		return cmp.Compare(wanted, each.priority)
	})
	if !ok {
		l.sorted = slices.Insert(l.sorted, i, &level{priority: priority})
	}
	return l.sorted[i]
}

// ran is the priority at which a request was handed out.
func (l *levels) ran(request reconcile.Request) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running[request]
}

// done forgets a request that was handed out.
func (l *levels) done(request reconcile.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.running, request)
}
