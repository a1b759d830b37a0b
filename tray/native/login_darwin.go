package native

import "github.com/ebitengine/purego/objc"

// loginAllowed says whether the user lets a LaunchAgent run: macOS 13 and later keep a switch of their own. It knows an
// agent only some time after its file was written, so that nothing but a clear no counts.
func loginAllowed(path string) (yes bool) {
	if load("Foundation", "ServiceManagement") != nil || objc.GetClass("SMAppService") == 0 {
		return true
	}
	const requiresApproval = 2
	pooled(func() {
		url := msg(class("NSURL"), "fileURLWithPath:", str(path))
		yes = msg(class("SMAppService"), "statusForLegacyURL:", url) != requiresApproval
	})
	return yes
}
