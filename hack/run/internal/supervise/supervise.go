//go:build unix

// Package supervise keeps a handful of processes running, as a cluster keeps its pods: one
// that ends is started again. It ends them in the reverse order, and none of them outlives it.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Process is a program to keep running.
type Process struct {
	// Name of its log and PID files.
	Name string
	// Path of its binary.
	Path string
	// Args without the binary's name.
	Args []string
	// Env is added to the supervisor's own environment, as NAME=value.
	Env []string
	// StopTimeout is how long it may take to end before it is killed.
	StopTimeout time.Duration
}

// Supervisor keeps processes running. Their logs and PID files are in one folder.
type Supervisor struct {
	dir  string
	sayf func(format string, args ...any)
	// delay before the next start, after that many ends in a row.
	delay func(ends int) time.Duration

	starts chan start
	mu     sync.Mutex
	kept   []*kept // in the order of their start
}

// start is a request to the thread that starts processes.
type start struct {
	cmd    *exec.Cmd
	answer chan<- error
}

// kept is a process that is kept running.
type kept struct {
	process Process
	stop    chan struct{} // closed to end it
	force   chan struct{} // closed to end it at once
	done    chan struct{} // closed when it has ended for good
}

// New makes a supervisor with its files in dir, which tells what happens through sayf.
func New(dir string, sayf func(format string, args ...any)) *Supervisor {
	s := &Supervisor{dir: dir, sayf: sayf, delay: restartDelay, starts: make(chan start)}
	go s.startProcesses()
	return s
}

// startProcesses starts every process on one thread that lives as long as the supervisor:
// Linux ends a process whose parent dies when the *thread* that started it does.
func (s *Supervisor) startProcesses() {
	runtime.LockOSThread()
	for request := range s.starts {
		request.answer <- request.cmd.Start()
	}
}

// Keep starts a process and keeps it running until Stop. The error is that of the first
// start; later ones are said and tried again.
func (s *Supervisor) Keep(p Process) error {
	cmd, err := s.launch(p)
	if err != nil {
		return err
	}
	k := &kept{process: p, stop: make(chan struct{}), force: make(chan struct{}), done: make(chan struct{})}
	s.mu.Lock()
	s.kept = append(s.kept, k)
	s.mu.Unlock()
	go s.keep(k, cmd)
	return nil
}

// keep waits for the process to end, and starts it again, until it is to stop.
func (s *Supervisor) keep(k *kept, cmd *exec.Cmd) {
	defer close(k.done)
	ends := 0
	for {
		started := time.Now()
		ended := make(chan error, 1)
		if cmd != nil {
			go func() { ended <- cmd.Wait() }()
			select {
			case err := <-ended:
				s.sayf("%s ended (%s); its log is %s", k.process.Name, describe(err), s.logFile(k.process.Name))
			case <-k.stop:
				s.end(k, cmd, ended)
				return
			}
		}
		if time.Since(started) > steadyAfter {
			ends = 0
		}
		ends++
		select {
		case <-time.After(s.delay(ends)):
		case <-k.stop:
			s.removePID(k.process.Name)
			return
		}
		next, err := s.launch(k.process)
		if err != nil {
			s.sayf("%s does not start: %v", k.process.Name, err)
		} else {
			s.sayf("%s was started again", k.process.Name)
		}
		cmd = next
	}
}

// end ends a process, by force where it does not end by itself in time.
func (s *Supervisor) end(k *kept, cmd *exec.Cmd, ended <-chan error) {
	defer s.removePID(k.process.Name)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.sayf("asking %s to end: %v", k.process.Name, err)
	}
	select {
	case <-ended: //nolint:errcheck // it was asked to end: how it did is in its log
		return
	case <-time.After(k.process.StopTimeout):
		s.sayf("%s does not end within %s; ending it by force", k.process.Name, k.process.StopTimeout)
	case <-k.force:
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.sayf("ending %s by force: %v", k.process.Name, err)
	}
	<-ended //nolint:errcheck // as above
}

// Stop ends all processes, the last one started first, each before the next. When ctx ends,
// those that are left are ended by force. The supervisor is of no use afterwards.
func (s *Supervisor) Stop(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.kept) - 1; i >= 0; i-- {
		k := s.kept[i]
		close(k.stop)
		select {
		case <-k.done:
		case <-ctx.Done():
			close(k.force)
			<-k.done
		}
	}
	s.kept = nil
	close(s.starts)
}

// launch starts a process once and writes its PID.
func (s *Supervisor) launch(p Process) (*exec.Cmd, error) {
	log, err := openLog(s.logFile(p.Name))
	if err != nil {
		return nil, err
	}
	// The process has its own descriptor of the file once it is started.
	defer func() { _ = log.Close() }()

	//nolint:noctx // ended by end, gracefully, and not by a context.
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Env = append(append(os.Environ(), p.Env...), marker(s.dir, p.Name))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()
	answer := make(chan error)
	s.starts <- start{cmd: cmd, answer: answer}
	if err := <-answer; err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.Name, err)
	}
	if err := writePID(s.pidFile(p.Name), cmd.Process.Pid); err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), ignoreExit(cmd.Wait()))
	}
	return cmd, nil
}

func (s *Supervisor) logFile(name string) string { return filepath.Join(s.dir, name+".log") }

func (s *Supervisor) pidFile(name string) string { return filepath.Join(s.dir, name+".pid") }

func (s *Supervisor) removePID(name string) {
	if err := os.Remove(s.pidFile(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.sayf("removing the PID file of %s: %v", name, err)
	}
}

// describe says how a process ended.
func describe(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// ignoreExit drops the news that a process that was killed did not exit by itself.
func ignoreExit(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}
