//go:build unix

package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/hack/run/internal/supervise"
)

func TestTheEnvironmentFileSurvivesAnOddFolder(t *testing.T) {
	s := usualSettings(t)
	s.Dir = filepath.Join(t.TempDir(), "it's $HOME")
	if err := os.MkdirAll(s.file("bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.file("env"), []byte(environment(s, clientAccess{token: "a token", key: "acme.key", secret: "a secret"})), 0o600); err != nil {
		t.Fatal(err)
	}
	sh := exec.CommandContext(t.Context(), "sh", "-eu", "-c", `. "$1"; printf '%s\n' "$KUBECONFIG" "$SMDP_CONTROL" "${PATH%%:*}"`, "sh", s.file("env"))
	out, err := sh.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{s.file("kubeconfig"), "http://127.0.0.1:18444", s.file("bin"), ""}, "\n")
	if string(out) != want {
		t.Errorf("a shell sees\n%swant\n%s", out, want)
	}
}

func TestCleanRemovesItsOwnFolderAlone(t *testing.T) {
	s := usualSettings(t)
	foreign := s.file("precious")
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := clean(t.Context(), s, t.Logf); err == nil {
		t.Error("a folder that `make run` has not made was accepted")
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Fatalf("somebody else's file is gone: %v", err)
	}

	unlock, err := supervise.Lock(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var running *supervise.RunningError
	if err := clean(t.Context(), s, t.Logf); !errors.As(err, &running) {
		t.Errorf("got %v while it is in use, want a RunningError", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}

	if err := clean(t.Context(), s, t.Logf); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state is still there: %v", err)
	}
	if err := clean(t.Context(), s, t.Logf); err != nil {
		t.Errorf("the second time: %v", err)
	}
}

func TestOnlyAFolderOfItsOwnIsTaken(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "run")
	for _, state := range []string{"missing", "empty"} {
		if err := claim(dir); err != nil {
			t.Errorf("a folder that is %s was refused: %v", state, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := claim(dir); err == nil || !strings.Contains(err.Error(), dirVariable) {
		t.Errorf("with somebody else's file in it got %v, want an error that names %s", err, dirVariable)
	}

	own := t.TempDir()
	unlock, err := supervise.Lock(own)
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := claim(own); err != nil {
		t.Errorf("the folder of an earlier run was refused: %v", err)
	}
}

func TestAwaitSaysWhatWasMissing(t *testing.T) {
	errMissing := errors.New("no leader")
	err := await(t.Context(), 10*time.Millisecond, func(context.Context) error { return errMissing })
	if !errors.Is(err, errMissing) {
		t.Errorf("got %v, want what was missing last", err)
	}
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := await(ctx, time.Hour, func(context.Context) error { cancel(); return errors.New("not yet") })
	if err == nil {
		t.Error("a wait that was cancelled reports success")
	}
}

func TestAProbeWantsA200(t *testing.T) {
	code := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
	defer server.Close()
	answers := plainProbe().answers(server.URL)
	if err := answers(t.Context()); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("got %v, want an error that says 503", err)
	}
	code = http.StatusOK
	if err := answers(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnUnknownCommandIsNamed(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	err := command([]string{"destroy"}, t.Output())
	if err == nil || !strings.Contains(err.Error(), `"destroy"`) {
		t.Errorf("got %v, want an error that names the command", err)
	}
}

func TestHelpListsEveryVariable(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	var out strings.Builder
	if err := command([]string{"help"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, p := range knownPorts {
		if !strings.Contains(out.String(), p.variable) {
			t.Errorf("the help does not tell of %s", p.variable)
		}
	}
}
