//go:build unix

package supervise

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// startStray starts a process as an earlier supervisor of dir would have left it behind,
// with the given environment, and writes its PID to name's file.
func startStray(t *testing.T, dir, name string, environment ...string) (*exec.Cmd, <-chan error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho up\nexec sleep 3600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, filepath.Join(dir, "events"))
	cmd.Env = append(os.Environ(), environment...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := writePID(filepath.Join(dir, name+".pid"), cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return cmd, ended
}

func TestRemainsOfAKilledSupervisorAreEnded(t *testing.T) {
	dir := t.TempDir()
	_, ended := startStray(t, dir, "etcd", marker(dir, "etcd"))

	if err := EndRemains(t.Context(), dir, t.Logf); err != nil {
		t.Fatal(err)
	}

	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the process is still there")
	}
	wantNoPIDFile(t, dir, "etcd")
}

func TestAProcessThatIsNotOursIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	for name, environment := range map[string][]string{
		"no marker":         nil,
		"another folder":    {marker(t.TempDir(), "etcd")},
		"another process":   {marker(dir, "manager")},
		"a longer name":     {marker(dir, "etcd-2")},
		"marker as a value": {"X=" + marker(dir, "etcd")},
	} {
		t.Run(name, func(t *testing.T) {
			stray, ended := startStray(t, dir, "etcd", environment...)

			if err := EndRemains(t.Context(), dir, t.Logf); err != nil {
				t.Fatal(err)
			}

			select {
			case err := <-ended:
				t.Errorf("the process was ended: %v", err)
			default:
			}
			wantNoPIDFile(t, dir, "etcd")
			if err := stray.Process.Kill(); err != nil {
				t.Error(err)
			}
			<-ended
		})
	}
}

func TestAPIDFileOfNobodyIsRemoved(t *testing.T) {
	dir := t.TempDir()
	dead := exec.CommandContext(t.Context(), "true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	if err := writePID(filepath.Join(dir, "etcd.pid"), dead.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := EndRemains(t.Context(), dir, t.Logf); err != nil {
		t.Fatal(err)
	}
	wantNoPIDFile(t, dir, "etcd")
}

func TestAPIDFileWithoutAPIDIsNamed(t *testing.T) {
	for _, content := range []string{"", "etcd", "0", "1", "-1"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "etcd.pid"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		err := EndRemains(t.Context(), dir, t.Logf)
		if err == nil || !strings.Contains(err.Error(), "etcd.pid") {
			t.Errorf("with %q got %v, want an error that names the file", content, err)
		}
	}
}

func TestTheFolderIsOneSupervisorsAtATime(t *testing.T) {
	dir := t.TempDir()
	unlock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	var running *RunningError
	if _, err := Lock(dir); !errors.As(err, &running) || running.PID != strconv.Itoa(os.Getpid()) {
		t.Errorf("got %v, want a RunningError with PID %d", err, os.Getpid())
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = Lock(dir)
	if err != nil {
		t.Errorf("the folder is still taken: %v", err)
	} else if err := unlock(); err != nil {
		t.Error(err)
	}
}

func TestRestartDelay(t *testing.T) {
	for ends, want := range map[int]time.Duration{
		1: 250 * time.Millisecond, 2: 500 * time.Millisecond, 3: time.Second,
		7: 15 * time.Second, 1000: 15 * time.Second,
	} {
		if got := restartDelay(ends); got != want {
			t.Errorf("after %d ends: %s, want %s", ends, got, want)
		}
	}
}

func TestALongLogIsPutAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etcd.log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxLog+1); err != nil {
		t.Fatal(err)
	}
	log, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}()
	if info, err := log.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("the new log has %v, %v, want it empty", info, err)
	}
	if info, err := os.Stat(path + ".old"); err != nil || info.Size() != maxLog+1 {
		t.Errorf("the old log is %v, %v, want all of it", info, err)
	}
}

func wantNoPIDFile(t *testing.T, dir, name string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, name+".pid")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the PID file of %s is still there: %v", name, err)
	}
}
