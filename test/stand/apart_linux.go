package stand

import "syscall"

// apart puts a process into a group of its own: Ctrl-C reaches this one alone, which then ends
// the others. The kernel ends it where this process dies without a chance to.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
