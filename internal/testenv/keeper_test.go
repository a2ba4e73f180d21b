package testenv

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A stand-in for etcd that says when it runs and then stays.
const stayingScript = "#!/bin/sh\necho started\nexec sleep 3600\n"

func TestKeeperEndsProcessesOfADeadTestBinary(t *testing.T) {
	dir, cmd := startKept(t, func(k *keeper) {
		// What the kernel does when the test binary dies.
		if err := k.in.Close(); err != nil {
			t.Fatal(err)
		}
		if err := k.cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	})

	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Success() {
		t.Errorf("the process ended with %v, want an end by force", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the control plane's folder is still there: %v", err)
	}
}

func TestKeeperLeavesAllAloneAfterAGoodEnd(t *testing.T) {
	dir, cmd := startKept(t, func(k *keeper) {
		if err := k.stop(); err != nil {
			t.Fatal(err)
		}
	})

	if err := cmd.Process.Kill(); err != nil {
		t.Errorf("the process was ended by the keeper: %v", err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process ended by itself, want it to stay until it is killed")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the keeper removed the folder: %v", err)
	}
}

// startKept runs a process under a keeper, ends the keeper by end, and returns the folder
// and the process.
func startKept(t *testing.T, end func(*keeper)) (string, *exec.Cmd) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "it's a folder")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "etcd")
	if err := os.WriteFile(binary, []byte(stayingScript), 0o700); err != nil {
		t.Fatal(err)
	}
	k, err := startKeeper(dir)
	if err != nil {
		t.Fatal(err)
	}
	wrapper, err := k.wrap(binary)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), wrapper)
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("waiting for the process to run: %v", err)
	}
	end(k)
	return dir, cmd
}
