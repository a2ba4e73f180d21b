package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestASignalThatAProcessCatchesIsSeen(t *testing.T) {
	self := os.Getpid()
	// The Go runtime catches SIGTERM and cannot catch SIGKILL.
	if caught, err := catches(self, syscall.SIGTERM); err != nil || !caught {
		t.Errorf("SIGTERM: %t, %v, want true", caught, err)
	}
	if caught, err := catches(self, syscall.SIGKILL); err != nil || caught {
		t.Errorf("SIGKILL: %t, %v, want false", caught, err)
	}
	if _, err := catches(0, syscall.SIGTERM); err == nil {
		t.Error("process 0 does not exist, and catches signals")
	}
}

// TestMain lets the test binary be what make runs.
func TestMain(m *testing.M) {
	if up := os.Getenv("WATCH_MAKE"); up != "" {
		if err := os.WriteFile(up, nil, 0o600); err != nil {
			panic(err)
		}
		ended := make(chan struct{})
		go watchMake(context.Background(), func() { close(ended) })
		<-ended
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestAnInterruptThatOnlyMakeGetsEndsUsToo(t *testing.T) {
	folder := t.TempDir()
	up := filepath.Join(folder, "up")
	makefile := filepath.Join(folder, "Makefile")
	content := "run:\n\t@WATCH_MAKE=" + up + " exec " + strconv.Quote(os.Args[0]) + "\n"
	if err := os.WriteFile(makefile, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "make", "-f", makefile)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	// Its own group: a signal to make's PID reaches nobody else.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	isUp := func(context.Context) error {
		if _, err := os.Stat(up); err != nil {
			return errors.New("it is not up")
		}
		return nil
	}
	if err := await(t.Context(), 20*time.Second, isUp); err != nil {
		t.Fatal(err)
	}

	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatalf("make still waits for what it runs: %s", &out)
	}
}
