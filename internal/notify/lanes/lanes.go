package lanes

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// Bounds of a lane where Config says nothing.
const (
	DefaultConcurrency = 8
	DefaultWaiting     = 10_000
)

// Config of Lanes.
type Config struct {
	// Concurrency is how many jobs of one lane run at a time; 0 means DefaultConcurrency.
	Concurrency int
	// Waiting is how many jobs of one lane may wait; 0 means DefaultWaiting.
	Waiting int
	// Done is told how each job ended that ran: with nil, with its error, or with *Panicked.
	// It is called once for each run, in the job's place in the lane, so it should be quick.
	// It may call Submit. It must not panic.
	Done func(lane, job string, err error)
}

// Lanes runs jobs. Its methods may be called by many goroutines at once.
type Lanes struct {
	concurrency, capacity int
	done                  func(lane, job string, err error)

	// running is the context of all jobs; stop ends it.
	running context.Context //nolint:containedctx // it is the jobs' lifetime, which is that of the Lanes
	stop    context.CancelFunc

	mu    sync.Mutex
	lanes map[string]*lane
	// closed is set by Close; idle is closed once nothing runs after that.
	closed bool
	idle   chan struct{}
	load   Load
}

// Load is how much there is to do.
type Load struct {
	// Lanes that have jobs.
	Lanes int
	// Waiting jobs and Running ones, over all lanes.
	Waiting, Running int
}

// lane of one recipient. It exists while it has jobs.
type lane struct {
	// queue holds the jobs that wait, in the order in which they start.
	queue []*job
	// jobs by key: those that wait and those that run.
	jobs map[string]*job
	// running workers, each of which runs one job after the other.
	running int
	// again counts the jobs that wait for their own last run's Done.
	again int
}

type job struct {
	key string
	run func(context.Context) error
	// ended is set while Done is told of the run: the job can be submitted anew, and next is
	// what then runs.
	ended bool
	next  func(context.Context) error
}

// New makes Lanes without jobs. Close ends them.
func New(config Config) *Lanes {
	l := &Lanes{
		concurrency: config.Concurrency, capacity: config.Waiting, done: config.Done,
		lanes: map[string]*lane{}, idle: make(chan struct{}),
	}
	if l.concurrency <= 0 {
		l.concurrency = DefaultConcurrency
	}
	if l.capacity <= 0 {
		l.capacity = DefaultWaiting
	}
	if l.done == nil {
		l.done = func(string, string, error) {}
	}
	l.running, l.stop = context.WithCancel(context.Background())
	return l
}

// Submit has run called, soon and once, with a context that ends when the Lanes are closed. It
// never blocks. A job with the same key that waits or runs in the lane is the same job: it is
// not submitted twice, run is dropped, and Submit is true. Once the job's function has
// returned it can be submitted anew; that run begins after Done was told of the last one.
//
// Submit is false where the lane is full or the Lanes are closed. Then nothing was kept, and
// the caller should come again after a while, when jobs of the lane have ended or failed: half
// a minute for an endpoint whose tries may take 15 seconds each.
func (l *Lanes) Submit(name, key string, run func(context.Context) error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	target := l.lanes[name]
	if target == nil {
		target = &lane{jobs: map[string]*job{}}
	}
	known := target.jobs[key]
	if known != nil && (!known.ended || known.next != nil) {
		return true
	}
	starts := known == nil && target.running < l.concurrency
	if !starts && len(target.queue)+target.again >= l.capacity {
		return false
	}
	if known != nil {
		known.next = run
		target.again++
		l.load.Waiting++
		return true
	}
	j := &job{key: key, run: run}
	target.jobs[key] = j
	l.lanes[name] = target
	if starts {
		target.running++
		l.load.Running++
		go l.work(name, target, j)
		return true
	}
	target.queue = append(target.queue, j)
	l.load.Waiting++
	return true
}

// Load now.
func (l *Lanes) Load() Load {
	l.mu.Lock()
	defer l.mu.Unlock()
	load := l.load
	load.Lanes = len(l.lanes)
	return load
}

// work runs a job and then what waits in the lane, until nothing does.
func (l *Lanes) work(name string, of *lane, j *job) {
	for j != nil {
		err := call(l.running, j.run)
		l.mu.Lock()
		j.ended, j.run = true, nil
		l.mu.Unlock()
		l.done(name, j.key, err)
		j = l.next(name, of, j)
	}
}

// next job after one that has ended; nil where none waits.
func (l *Lanes) next(name string, of *lane, last *job) *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(of.jobs, last.key)
	if last.next != nil && !l.closed {
		repeated := &job{key: last.key, run: last.next}
		of.again--
		of.jobs[last.key] = repeated
		of.queue = append(of.queue, repeated)
	}
	if len(of.queue) > 0 {
		j := of.queue[0]
		of.queue[0] = nil // the queue's array must not keep it
		of.queue = of.queue[1:]
		l.load.Waiting--
		return j
	}
	of.running--
	l.load.Running--
	if of.running == 0 {
		delete(l.lanes, name)
	}
	l.endWhenIdle()
	return nil
}

// endWhenIdle tells Close that nothing runs any more. The lock is held.
func (l *Lanes) endWhenIdle() {
	if l.closed && l.load.Running == 0 {
		close(l.idle)
	}
}

// Close takes no more jobs, drops those that wait, and waits for those that run. Done is not
// told of what was dropped. When ctx ends first, the jobs' context is cancelled, and the error
// says how many jobs were still running.
func (l *Lanes) Close(ctx context.Context) error {
	l.dropWaiting()
	defer l.stop()

	select {
	case <-l.idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %d jobs that run: %w", l.Load().Running, context.Cause(ctx))
	}
}

// dropWaiting jobs, and take no more.
func (l *Lanes) dropWaiting() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	for _, each := range l.lanes {
		each.queue = nil
	}
	l.load.Waiting = 0
	l.endWhenIdle()
}

// Panicked is how a job ended that panicked.
type Panicked struct {
	// Value of the panic, and Stack where it happened, for the log of who knows what they may
	// hold.
	Value any
	Stack []byte
}

// Error tells the kind of the value only.
func (p *Panicked) Error() string { return fmt.Sprintf("the job panicked with a %T", p.Value) }

// call a job, and turn a panic into its error.
func call(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &Panicked{Value: value, Stack: debug.Stack()}
		}
	}()
	return run(ctx)
}
