//go:build unix && !linux

package stand

import "syscall"

// apart puts a process into a group of its own: Ctrl-C reaches this one alone, which then ends
// the others.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
