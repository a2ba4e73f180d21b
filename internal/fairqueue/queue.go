package fairqueue

import (
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Queue is a controller's work queue in which clients, which are namespaces, take turns. It
// keeps what controller-runtime's priority queue promises: a request is there once, with the
// highest priority and the earliest time that anybody asked for; nobody has it while another
// does. Higher priorities go first, but for one request in four.
//
// Of n clients with requests at a priority, each has one handed out among any n of them. Under
// it is client-go's queue, which counts workqueue_* under its name.
type Queue struct {
	ready   workqueue.TypedDelayingInterface[reconcile.Request]
	levels  *levels
	limiter workqueue.TypedRateLimiter[reconcile.Request]
	stopped atomic.Bool

	mu sync.Mutex
	// delayed are the requests whose time has not come. It is nil once the queue is shut down.
	delayed map[reconcile.Request]*delay
}

var _ priorityqueue.PriorityQueue[reconcile.Request] = (*Queue)(nil)

// delay is a request that waits for its time.
type delay struct {
	timer    *time.Timer
	at       time.Time
	priority int
}

// New makes a queue. It has the form of controller.Options.NewQueue.
func New(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	q := &Queue{levels: newLevels(), limiter: limiter, delayed: map[reconcile.Request]*delay{}}
	q.ready = workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[reconcile.Request]{
		Name: name,
		Queue: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[reconcile.Request]{
			Name: name, Queue: q.levels,
		}),
	})
	return q
}

// Add adds a request at priority 0.
func (q *Queue) Add(request reconcile.Request) { q.AddWithOpts(priorityqueue.AddOpts{}, request) }

// AddAfter adds a request at priority 0 after a while.
func (q *Queue) AddAfter(request reconcile.Request, after time.Duration) {
	q.AddWithOpts(priorityqueue.AddOpts{After: after}, request)
}

// AddRateLimited adds a request at priority 0 when the rate limiter says.
func (q *Queue) AddRateLimited(request reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{RateLimited: true}, request)
}

// AddWithOpts adds requests.
func (q *Queue) AddWithOpts(o priorityqueue.AddOpts, requests ...reconcile.Request) {
	for _, request := range requests {
		after := o.After
		if o.RateLimited {
			if limited := q.limiter.When(request); after <= 0 || limited < after {
				after = limited
			}
		}
		q.add(request, after, ptr.Deref(o.Priority, 0))
	}
}

func (q *Queue) add(request reconcile.Request, after time.Duration, priority int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.delayed == nil {
		return
	}
	waits, waiting := q.delayed[request]
	if waiting {
		priority = max(priority, waits.priority)
	}
	if after <= 0 || q.levels.queued(request) {
		if waiting {
			waits.timer.Stop()
			delete(q.delayed, request)
		}
		q.levels.want(request, priority)
		q.ready.Add(request)
		return
	}
	at := time.Now().Add(after)
	if waiting && !at.Before(waits.at) {
		waits.priority = priority
		return
	}
	if waiting {
		waits.timer.Stop()
	}
	later := &delay{at: at, priority: priority}
	later.timer = time.AfterFunc(after, func() { q.due(request, later) })
	q.delayed[request] = later
}

// due adds a request whose time has come.
func (q *Queue) due(request reconcile.Request, came *delay) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.delayed[request] != came {
		return // it was added at once meanwhile, or for another time
	}
	delete(q.delayed, request)
	q.levels.want(request, came.priority)
	q.ready.AddAfter(request, 0) // as Add, and it counts one of workqueue_retries_total
}

// Get waits for the next request. Done must be called with it.
func (q *Queue) Get() (request reconcile.Request, shutdown bool) {
	request, _, shutdown = q.GetWithPriority()
	return request, shutdown
}

// GetWithPriority waits for the next request, and tells its priority. Done must be called with it.
func (q *Queue) GetWithPriority() (request reconcile.Request, priority int, shutdown bool) {
	request, shutdown = q.ready.Get()
	switch {
	case shutdown:
		return reconcile.Request{}, 0, true
	case q.stopped.Load():
		q.Done(request) // what is left is for whoever comes next
		return reconcile.Request{}, 0, true
	}
	return request, q.levels.ran(request), false
}

// Done tells that a request was worked on. If it was added meanwhile, it is ready again.
func (q *Queue) Done(request reconcile.Request) {
	q.levels.done(request)
	q.ready.Done(request)
}

// Forget has the rate limiter forget a request's failures.
func (q *Queue) Forget(request reconcile.Request) { q.limiter.Forget(request) }

// NumRequeues is how many failures of a request the rate limiter knows of.
func (q *Queue) NumRequeues(request reconcile.Request) int { return q.limiter.NumRequeues(request) }

// Len is how many requests are ready.
func (q *Queue) Len() int { return q.ready.Len() }

// ShuttingDown tells whether the queue takes no more requests.
func (q *Queue) ShuttingDown() bool { return q.ready.ShuttingDown() }

// ShutDown ends every Get, now and later, and drops what waits.
func (q *Queue) ShutDown() {
	q.stopped.Store(true)
	q.dropDelayed()
	q.ready.ShutDown()
}

// ShutDownWithDrain takes no more requests, hands out those that are ready, and waits until those
// that were handed out are done.
func (q *Queue) ShutDownWithDrain() {
	q.dropDelayed()
	q.ready.ShutDownWithDrain()
	q.ready.ShutDown() // else client-go's queue leaves a goroutine behind
}

func (q *Queue) dropDelayed() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, each := range q.delayed {
		each.timer.Stop()
	}
	q.delayed = nil
}
