//go:build !darwin

package native

import "context"

// NoticesDenied is a no-op: on this system nobody has to allow notifications.
func NoticesDenied(context.Context) bool { return false }
