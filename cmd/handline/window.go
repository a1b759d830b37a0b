package main

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"

	"handline/connection/backend"
	"handline/diagnostics"
	"handline/diagnostics/window"
)

type windowCmd struct {
	Pane string `arg:"" optional:"" default:"overview" enum:"overview,diagnostics,activity,settings" help:"overview, diagnostics, activity or settings."`
}

// Run has the running app show its window.
func (k windowCmd) Run(c *console) error {
	_, client, err := c.open()
	if err != nil {
		return err
	}
	return client.Window(c.ctx, k.Pane)
}

// addWindow gives the app its window. The menu, handline window and a second launch all open it through a.openWindow:
// one that is open comes to the front where the system lets it, and otherwise a new one is made.
func (a *app) addWindow() {
	shower := window.NewShower(a.home.Handover())
	a.trial = new(trial)
	a.signIns = &diagnostics.SignIns{
		Server: func() string { return a.settings.now().Server },
		Offered: func(ctx context.Context, _ string) bool {
			s, err := a.backend.Identify(ctx, target(a.settings.now()))
			return err == nil && s.Kind == backend.AppServer
		},
		Start: a.backend.StartLogin,
		Await: a.backend.AwaitKey,
		Store: a.storeSignIn,
	}
	a.pages = diagnostics.NewPages(diagnostics.Pages{
		API:     http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { diagnostics.Handler(a.api()).ServeHTTP(w, r) }),
		Version: version(),
		Demo:    true,
		Keep:    filepath.Join(filepath.Dir(a.home.State()), "windows.json"),
		Log:     a.log,
	})
	a.browse = window.Browse
	a.openWindow = func(ctx context.Context, pane string) error {
		if shower.Raise(pane) {
			return nil
		}
		link, err := a.pages.Open(ctx)
		if err != nil {
			return err
		}
		return noDesktop(shower.Show(window.Link{Private: link.Private(pane), Form: link.Form(pane)}))
	}
	a.faces = append(a.faces, func(ctx context.Context) error {
		defer a.trial.stop()
		defer shower.Close()
		defer a.signIns.Close()
		return a.pages.Run(ctx)
	})
}

// noDesktop says what to do where Handline has nothing to show a window on.
func noDesktop(err error) error {
	if !errors.Is(err, window.ErrNoDesktop) {
		return err
	}
	return &diagnostics.Problem{Status: http.StatusServiceUnavailable, Code: "no-desktop", Text: "There is no desktop to show a window on",
		Means: "This Handline was started where nobody sees one.", Advice: "Use handline status and handline diagnose, or start Handline from the desktop."}
}
