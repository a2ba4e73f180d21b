// Package stand has what a test of the whole puts up: the manager, the simulator of operators and
// what else runs, as processes of their own, each of which can be killed, stopped and started.
package stand

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// stopLimit is how long a process may take to end once it is killed.
const stopLimit = 45 * time.Second

// ErrEnded says that a process had ended by itself before it was to be signalled or killed.
var ErrEnded = errors.New("it ended by itself; see its log")

// Process is one that runs beside this one. All but Ended is for one goroutine at a time.
type Process struct {
	command *exec.Cmd
	log     *os.File
	ended   chan struct{}
}

// StartProcess starts a program of a folder, with a log in that folder that is appended to. Kill
// must be called.
func StartProcess(folder, name string, environment []string, args ...string) (*Process, error) {
	log, err := os.OpenFile(filepath.Join(folder, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	//nolint:noctx // the process ends by Kill.
	p := &Process{command: exec.Command(filepath.Join(folder, name), args...), log: log, ended: make(chan struct{})}
	p.command.Env = append(os.Environ(), environment...)
	p.command.Stdout, p.command.Stderr = log, log
	p.command.SysProcAttr = apart()
	if err := p.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", name, err), log.Close())
	}
	go func() {
		defer close(p.ended)
		_ = p.command.Wait() // it tells of the kill
	}()
	return p, nil
}

// Name of its program.
func (p *Process) Name() string { return filepath.Base(p.command.Path) }

// PID of the process, in decimal.
func (p *Process) PID() string { return strconv.Itoa(p.command.Process.Pid) }

// Ended is closed once the process is gone.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Signal sends a signal. The error is ErrEnded where nobody is left to take it.
func (p *Process) Signal(signal os.Signal) error {
	err := p.command.Process.Signal(signal)
	if errors.Is(err, os.ErrProcessDone) {
		err = ErrEnded
	}
	if err != nil {
		return fmt.Errorf("sending %s to %s: %w", signal, p.Name(), err)
	}
	return nil
}

// Kill ends a process without warning, and waits until it is gone. The error is ErrEnded where it
// was already. Killing what was killed, or nil, does nothing.
func (p *Process) Kill() error {
	if p == nil || p.log == nil {
		return nil
	}
	err := p.Signal(os.Kill)
	select {
	case <-p.ended:
	case <-time.After(stopLimit):
		err = errors.Join(err, fmt.Errorf("%s does not end", p.Name()))
	}
	err = errors.Join(err, p.log.Close())
	p.log = nil
	return err
}
