package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
)

// Part is a process of the control plane, by the name of its program.
type Part string

// The parts of the control plane.
const (
	Etcd      Part = "etcd"
	APIServer Part = "kube-apiserver"
)

const (
	lookInterval = 50 * time.Millisecond
	// endGrace is how long a part may take to end in good order: a kube-apiserver waits for a
	// minute for whoever watches.
	endGrace = 5 * time.Second
)

// End sends a signal that ends a part of the control plane, and returns once it is gone. Its data
// stay. The signal may be SIGTERM or SIGKILL; whoever takes too long to end on SIGTERM is killed.
func (e *Environment) End(ctx context.Context, part Part, signal syscall.Signal) error {
	text, err := os.ReadFile(filepath.Join(e.dir, string(part)+".pid"))
	if err != nil {
		return fmt.Errorf("looking for the process of %s: %w", part, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("looking for the process of %s: %w", part, err)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return fmt.Errorf("sending %s to %s: %w", signal, part, err)
	}
	deadline := time.Now().Add(endGrace)
	// Whoever started it waits for it, so that it is gone for good.
	err = wait.PollUntilContextTimeout(ctx, lookInterval, processTimeout, true, func(context.Context) (bool, error) {
		if time.Now().After(deadline) {
			signal = syscall.SIGKILL
		} else {
			signal = 0
		}
		err := syscall.Kill(pid, signal)
		return errors.Is(err, syscall.ESRCH), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the end of %s: %w", part, err)
	}
	delete(e.again, part)
	return nil
}

// Resume starts a part that End has ended, as it was started before, and returns once it answers.
func (e *Environment) Resume(ctx context.Context, part Part) error {
	noted, err := os.ReadFile(filepath.Join(e.dir, string(part)+".args"))
	if err != nil {
		return fmt.Errorf("looking for how %s was started: %w", part, err)
	}
	var args []string
	for argument := range bytes.SplitSeq(bytes.TrimSuffix(noted, []byte{0}), []byte{0}) {
		args = append(args, string(argument))
	}
	//nolint:noctx // it ends with the environment.
	command := exec.Command(filepath.Join(e.dir, string(part)+".sh"), args...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting %s anew: %w", part, err)
	}
	if e.again == nil {
		e.again = map[Part]*exec.Cmd{}
	}
	e.again[part] = command
	go func() { _ = command.Wait() }() // it tells of the signal
	return e.awaitPart(ctx, part)
}

func (e *Environment) awaitPart(ctx context.Context, part Part) error {
	by, url := http.DefaultClient, e.plane.ControlPlane.Etcd.URL.JoinPath("health").String()
	if part == APIServer {
		admin, err := rest.HTTPClientFor(e.Config)
		if err != nil {
			return fmt.Errorf("connecting to %s: %w", part, err)
		}
		by, url = admin, strings.TrimSuffix(e.Config.Host, "/")+"/readyz"
	}
	err := wait.PollUntilContextTimeout(ctx, lookInterval, processTimeout, true, func(ctx context.Context) (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return false, err
		}
		answer, err := by.Do(request)
		if err != nil {
			return false, nil //nolint:nilerr // it is not there yet.
		}
		return answer.StatusCode == http.StatusOK, answer.Body.Close()
	})
	if err != nil {
		return fmt.Errorf("waiting until %s answers: %w", part, err)
	}
	return nil
}

// endAgain ends a part that was started anew; one that was not is envtest's to end.
func (e *Environment) endAgain(part Part) error {
	if e.again[part] == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), processTimeout)
	defer cancel()
	err := e.End(ctx, part, syscall.SIGTERM)
	if err == nil {
		return nil
	}
	return errors.Join(err, e.again[part].Process.Kill())
}
