//go:build !windows

package network

import "syscall"

// What the sockets of this system answer.
const (
	errRefused     = syscall.ECONNREFUSED
	errReset       = syscall.ECONNRESET
	errAborted     = syscall.ECONNABORTED
	errBroken      = syscall.EPIPE
	errNoRoute     = syscall.ENETUNREACH
	errHostNoRoute = syscall.EHOSTUNREACH
	errHostDown    = syscall.EHOSTDOWN
	errNetDown     = syscall.ENETDOWN
	errNoAddress   = syscall.EADDRNOTAVAIL
)
