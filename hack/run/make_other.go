//go:build unix && !linux

package main

import "context"

// watchMake does nothing here: only Linux shows what make has done with a signal.
func watchMake(context.Context, func()) {}
