package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"handline/diagnostics"
	"handline/persistence"
	"handline/tray/native"
)

type serviceCmd struct {
	Install   serviceInstallCmd   `cmd:"" help:"Start Handline when you log in."`
	Uninstall serviceUninstallCmd `cmd:"" help:"Do not start it any more when you log in."`
	Status    serviceStatusCmd    `cmd:"" help:"Say whether it starts when you log in."`
}

type (
	serviceInstallCmd   struct{}
	serviceUninstallCmd struct{}
	serviceStatusCmd    struct{}
)

func (serviceInstallCmd) Run(c *console) error {
	item, err := c.loginItem()
	if err == nil {
		err = item.Install()
	}
	if err != nil {
		return err
	}
	return c.tellLogin(item)
}

func (serviceUninstallCmd) Run(c *console) error {
	item, err := c.loginItem()
	if err == nil {
		err = item.Uninstall()
	}
	if err != nil {
		return err
	}
	return c.tellLogin(item)
}

func (serviceStatusCmd) Run(c *console) error {
	item, err := c.loginItem()
	if err != nil {
		return err
	}
	return c.tellLogin(item)
}

// loginItem is what starts Handline at login. It starts the system's own home: one that was named belongs to whoever
// names it.
func (c *console) loginItem() (native.LoginItem, error) {
	if c.home != "" {
		return native.LoginItem{}, usage{"a named home does not start at login", "Leave out --home and HANDLINE_HOME."}
	}
	return native.NewLoginItem()
}

func (c *console) tellLogin(item native.LoginItem) error {
	word := "does not start"
	if item.On() {
		word = "starts"
	}
	_, err := fmt.Fprintf(c.out, "Handline %s when you log in.\n", word)
	return err
}

// startAtLogin does what a click asked for. Where macOS's own switch is off, only the user can turn it, so its page opens.
func (a *app) startAtLogin(ctx context.Context, on bool) error {
	if !on {
		return a.login.Uninstall()
	}
	err := a.login.Install()
	if errors.Is(err, native.ErrNotAllowed) {
		return native.OpenSettings(ctx, native.LoginSettings)
	}
	return err
}

// refusal is why a click on Start at Login was in vain, as the menu says it: who started the app in Finder reads no log.
func refusal(err error) string {
	var file *fs.PathError
	if errors.As(err, &file) {
		return "Start at Login could not be changed: " + file.Err.Error()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

type uninstallCmd struct {
	Yes bool `short:"y" help:"Do not ask."`
}

// Run removes everything that Handline has left on this computer but itself, and says how to remove that. It ends a
// Handline that runs, since that would write its files again.
func (k uninstallCmd) Run(c *console) error {
	home, _, err := c.open()
	if err != nil {
		return err
	}
	if !k.Yes {
		what := "This ends Handline and removes its settings, its places in conversations and its log"
		if c.home == "" {
			what += ", every key it has stored, and its start at login"
		} else {
			what += " from this home, and the key of its server"
		}
		if err := c.confirm(what + "."); err != nil {
			return err
		}
	}
	if err := (quitCmd{}).Run(c); err != nil && !errors.Is(err, diagnostics.ErrNotRunning) {
		return err
	}
	release, err := home.Lock()
	if err != nil {
		return err
	}
	defer release()
	if c.home == "" {
		err = c.forgetAll()
	} else {
		err = forget(c.ctx, home)
	}
	if err != nil {
		return err
	}
	if err := home.Remove(); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "Nothing of Handline is left but the program itself.")
	return nil
}

// forgetAll removes what the default home has outside of its directories. A computer without a keychain has no keys.
func (c *console) forgetAll() error {
	item, err := c.loginItem()
	if err == nil {
		err = item.Forget()
	}
	if err != nil {
		return err
	}
	err = persistence.Keychain(persistence.KeychainOptions{}).DeleteAll(c.ctx)
	if errors.Is(err, persistence.ErrNoStore) {
		return nil
	}
	return err
}
