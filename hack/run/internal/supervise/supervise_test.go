//go:build unix

package supervise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for something that should come at once.
const patience = 20 * time.Second

// TestMain lets the test binary play the processes that are kept, so that nothing but it is
// left to end, and a supervisor of its own, to be killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 {
		if play, ok := roles[os.Args[1]]; ok {
			play(os.Args[2], os.Args[3])
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// roles that the test binary can play, each with its name and the supervisor's folder.
var roles = map[string]func(name, dir string){
	// polite says when it comes and when it is asked to go.
	"polite": func(name, dir string) {
		terminate := make(chan os.Signal, 1)
		signal.Notify(terminate, syscall.SIGTERM)
		note(dir, "up "+name)
		<-terminate
		note(dir, "down "+name)
	},
	// deaf does not go when it is asked to.
	"deaf": func(name, dir string) {
		signal.Ignore(syscall.SIGTERM)
		note(dir, "up "+name)
		time.Sleep(time.Hour)
	},
	// brief ends at once.
	"brief": func(name, dir string) { note(dir, "up "+name) },
	// supervisor keeps a polite process running.
	"supervisor": func(name, dir string) {
		s := New(dir, func(string, ...any) {})
		if err := s.Keep(process("polite", name, dir)); err != nil {
			panic(err)
		}
		time.Sleep(time.Hour)
	},
}

// process is the test binary in a role.
func process(role, name, dir string) Process {
	return Process{Name: name, Path: os.Args[0], Args: []string{role, name, dir}, StopTimeout: patience}
}

// note adds a line to the events in dir.
func note(dir, line string) {
	file, err := os.OpenFile(filepath.Join(dir, "events"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		panic(err)
	}
	if _, err := file.WriteString(line + "\n"); err != nil {
		panic(err)
	}
	if err := file.Close(); err != nil {
		panic(err)
	}
}

func newSupervisor(t *testing.T) (*Supervisor, string) {
	t.Helper()
	dir := t.TempDir()
	s := New(dir, func(format string, args ...any) { t.Logf(format, args...) })
	s.delay = func(int) time.Duration { return time.Millisecond }
	return s, dir
}

func keepAll(t *testing.T, s *Supervisor, processes ...Process) {
	t.Helper()
	for _, p := range processes {
		if err := s.Keep(p); err != nil {
			t.Fatal(err)
		}
	}
}

// eventually polls until done says so.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("%s did not happen within %s", what, patience)
		}
	}
}

func events(t *testing.T, dir string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "events"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(content), func(r rune) bool { return r == '\n' })
}

func pidOf(t *testing.T, dir, name string) int {
	t.Helper()
	pid, err := readPID(filepath.Join(dir, name+".pid"))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// gone tells that a process has ended; one that nobody has waited for yet has too.
func gone(pid int) bool {
	err := syscall.Kill(pid, 0)
	if errors.Is(err, syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestAProcessThatDiesIsStartedAgainUnderItsNewPID(t *testing.T) {
	s, dir := newSupervisor(t)
	keepAll(t, s, process("polite", "etcd", dir))
	defer s.Stop(t.Context())
	eventually(t, "the first start", func() bool { return len(events(t, dir)) == 1 })
	first := pidOf(t, dir, "etcd")

	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the second start", func() bool { return len(events(t, dir)) == 2 })
	second := pidOf(t, dir, "etcd")
	if second == first || gone(second) {
		t.Errorf("the PID file names %d, after %d was killed", second, first)
	}
}

func TestStopEndsTheLastStartedFirst(t *testing.T) {
	s, dir := newSupervisor(t)
	keepAll(t, s, process("polite", "etcd", dir), process("polite", "kube-apiserver", dir), process("polite", "manager", dir))
	eventually(t, "the start of all", func() bool { return len(events(t, dir)) == 3 })

	s.Stop(t.Context())

	got := strings.Join(events(t, dir)[3:], ", ")
	if want := "down manager, down kube-apiserver, down etcd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.pid")); err != nil || len(left) > 0 {
		t.Errorf("PID files were left: %v, %v", left, err)
	}
}

func TestStopEndsByForceWhatDoesNotListen(t *testing.T) {
	for name, stop := range map[string]struct {
		timeout time.Duration
		hurry   bool
	}{
		"after its time to stop":                {timeout: 20 * time.Millisecond},
		"at once, when asked for a second time": {timeout: time.Hour, hurry: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := newSupervisor(t)
			deaf := process("deaf", "manager", dir)
			deaf.StopTimeout = stop.timeout
			keepAll(t, s, deaf)
			eventually(t, "the start", func() bool { return len(events(t, dir)) == 1 })
			pid := pidOf(t, dir, "manager")

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if stop.hurry {
				cancel()
			}
			s.Stop(ctx)
			if !gone(pid) {
				t.Errorf("process %d is still there", pid)
			}
		})
	}
}

func TestStopDoesNotWaitForTheNextStart(t *testing.T) {
	s, dir := newSupervisor(t)
	s.delay = func(int) time.Duration { return time.Hour }
	keepAll(t, s, process("brief", "manager", dir))
	eventually(t, "the first end", func() bool { return len(events(t, dir)) == 1 && gone(pidOf(t, dir, "manager")) })

	done := make(chan struct{})
	go func() { s.Stop(t.Context()); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("Stop waits for a process that does not run")
	}
}

func TestKeepReportsAProgramThatIsNotThere(t *testing.T) {
	s, dir := newSupervisor(t)
	defer s.Stop(t.Context())
	err := s.Keep(Process{Name: "manager", Path: filepath.Join(dir, "none")})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

func TestAKilledSupervisorLeavesNoOrphan(t *testing.T) {
	if !diesWithItsParent {
		t.Skip("only Linux ties a process's life to its parent's")
	}
	dir := t.TempDir()
	supervisor := exec.CommandContext(t.Context(), os.Args[0], "supervisor", "etcd", dir)
	supervisor.Stderr = os.Stderr
	if err := supervisor.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the start", func() bool { return len(events(t, dir)) == 1 })
	pid := pidOf(t, dir, "etcd")

	if err := supervisor.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := supervisor.Wait(); err == nil {
		t.Fatal("the supervisor ended by itself")
	}
	eventually(t, "the end of the orphan", func() bool { return gone(pid) })
}
