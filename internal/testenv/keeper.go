package testenv

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// keeperScript waits for a line on its input. The line says that all went well; the end of
// the input without one says that the test binary is dead (a panic, a timeout of go test, a
// SIGKILL): then it ends by their own PIDs the processes that are left, and removes their data.
const keeperScript = `
read -r line && exit 0
for file in "$1"/*.pid; do
  [ -f "$file" ] && kill -9 "$(cat "$file")"
done
rm -rf "$1"
`

// wrapperScript notes its PID and its arguments, each ended by a zero byte, and becomes the
// process that it stands for.
const wrapperScript = `#!/bin/sh
echo $$ > '%s'
printf '%%s\0' "$@" > '%s'
exec '%s' "$@"
`

// keeper is a small process that outlives the test binary just long enough to leave no
// orphans behind. envtest starts its processes in groups of their own and has no such thing.
type keeper struct {
	dir string
	cmd *exec.Cmd
	in  io.WriteCloser
}

func startKeeper(dir string) (*keeper, error) {
	k := &keeper{dir: dir}
	//nolint:noctx // it must outlive every context of the test binary: that is its use.
	k.cmd = exec.Command("/bin/sh", "-c", keeperScript, "keeper", dir)
	// Ctrl-C reaches the test binary's whole process group; the keeper acts after it.
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := k.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("connecting to the keeper of the control plane: %w", err)
	}
	k.in = in
	if err := k.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the keeper of the control plane: %w", err)
	}
	return k, nil
}

// wrap makes a program that is binary, but for noting its PID where the keeper finds it.
func (k *keeper) wrap(binary string) (string, error) {
	name := filepath.Base(binary)
	wrapper := filepath.Join(k.dir, name+".sh")
	note := func(what string) string { return shellQuoted(filepath.Join(k.dir, name+what)) }
	script := fmt.Sprintf(wrapperScript, note(".pid"), note(".args"), shellQuoted(binary))
	//nolint:gosec // it is to be executed, by its owner alone.
	if err := os.WriteFile(wrapper, []byte(script), 0o700); err != nil {
		return "", fmt.Errorf("wrapping %s: %w", name, err)
	}
	return wrapper, nil
}

// stop tells the keeper that nothing is left to do.
func (k *keeper) stop() error {
	if _, err := io.WriteString(k.in, "done\n"); err != nil {
		return fmt.Errorf("dismissing the keeper of the control plane: %w", err)
	}
	if err := k.in.Close(); err != nil {
		return fmt.Errorf("dismissing the keeper of the control plane: %w", err)
	}
	if err := k.cmd.Wait(); err != nil {
		return fmt.Errorf("waiting for the keeper of the control plane: %w", err)
	}
	return nil
}

// shellQuoted is s, fit to stand between single quotes in a shell script.
func shellQuoted(s string) string { return strings.ReplaceAll(s, `'`, `'\''`) }
