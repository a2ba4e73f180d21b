package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/telcodev/esim-operator/test/stand"
)

// restartPause is how long after its end a program is started again; a kubelet waits longer.
const restartPause = 500 * time.Millisecond

// kept is a program that is started again whenever it ends, as a Deployment would.
type kept struct {
	start func() (*stand.Process, error)

	mu      sync.Mutex
	current *stand.Process
	starts  int
	failed  error

	stopping chan struct{}
	gone     chan struct{}
}

// keep starts a program and keeps it until stop.
func keep(start func() (*stand.Process, error)) (*kept, error) {
	first, err := start()
	if err != nil {
		return nil, err
	}
	k := &kept{start: start, current: first, starts: 1, stopping: make(chan struct{}), gone: make(chan struct{})}
	go k.watch(first)
	return k, nil
}

func (k *kept) watch(process *stand.Process) {
	defer close(k.gone)
	for {
		select {
		case <-k.stopping:
			k.fail(ignoreEnded(process.Kill()))
			return
		case <-process.Ended():
			k.fail(ignoreEnded(process.Kill())) // its log is closed
		}
		pause := time.NewTimer(restartPause)
		select {
		case <-k.stopping:
			pause.Stop()
			return
		case <-pause.C:
		}
		next, err := k.start()
		if err != nil {
			k.fail(err)
			return
		}
		process = next
		k.mu.Lock()
		k.current, k.starts = next, k.starts+1
		k.mu.Unlock()
	}
}

func ignoreEnded(err error) error {
	if errors.Is(err, stand.ErrEnded) {
		return nil
	}
	return err
}

func (k *kept) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failed = errors.Join(k.failed, err)
}

// signal sends a signal to the program that runs now, and returns that.
func (k *kept) signal(signal os.Signal) (*stand.Process, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.current.Signal(signal); err != nil {
		return nil, fmt.Errorf("breaking a program: %w", err)
	}
	return k.current, nil
}

// started is how often it was started.
func (k *kept) started() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.starts
}

// stop ends it for good.
func (k *kept) stop() error {
	close(k.stopping)
	<-k.gone
	return k.failed
}
