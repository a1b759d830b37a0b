package network

import "syscall"

// What Winsock answers: its own numbers, which syscall's portable names do not match.
const (
	errRefused     = syscall.Errno(10061) // WSAECONNREFUSED
	errReset       = syscall.Errno(10054) // WSAECONNRESET
	errAborted     = syscall.Errno(10053) // WSAECONNABORTED
	errBroken      = syscall.Errno(10058) // WSAESHUTDOWN
	errNoRoute     = syscall.Errno(10051) // WSAENETUNREACH
	errHostNoRoute = syscall.Errno(10065) // WSAEHOSTUNREACH
	errHostDown    = syscall.Errno(10064) // WSAEHOSTDOWN
	errNetDown     = syscall.Errno(10050) // WSAENETDOWN
	errNoAddress   = syscall.Errno(10049) // WSAEADDRNOTAVAIL
)
