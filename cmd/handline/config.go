package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/term"

	"handline/diagnostics"
	"handline/persistence"
)

type configCmd struct {
	Path  configPathCmd  `cmd:"" help:"Print where config.json is."`
	Show  configShowCmd  `cmd:"" help:"Print the configuration."`
	Get   configGetCmd   `cmd:"" help:"Print one setting."`
	Set   configSetCmd   `cmd:"" help:"Change one setting. A running Handline takes it up at once."`
	Check configCheckCmd `cmd:"" help:"Say what is wrong in config.json, if anything."`
	Reset configResetCmd `cmd:"" help:"Forget the configuration, the places in conversations and the keys."`
}

type configPathCmd struct{}

func (configPathCmd) Run(c *console) error {
	home, _, err := c.open()
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, home.Config())
	return nil
}

type configShowCmd struct{}

func (configShowCmd) Run(c *console) error {
	v, err := c.config()
	if err != nil {
		return err
	}
	_, err = c.out.Write(v.Encode())
	return err
}

type configGetCmd struct {
	Name string `arg:"" help:"Name of the setting, such as retry.maxAttempts."`
}

func (k configGetCmd) Run(c *console) error {
	v, err := c.config()
	if err != nil {
		return err
	}
	text, err := v.Get(k.Name)
	if err != nil {
		return unknownSetting(err)
	}
	fmt.Fprintln(c.out, text)
	return nil
}

func unknownSetting(err error) error {
	return usage{err.Error(), "The settings are " + strings.Join(persistence.Settings(), ", ") + " and params.NAME."}
}

type configCheckCmd struct{}

func (configCheckCmd) Run(c *console) error {
	if _, err := c.config(); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "The configuration is good.")
	return nil
}

// config reads config.json and changes nothing, so that a damaged file can be looked at. A missing one is the defaults.
func (c *console) config() (persistence.Config, error) {
	home, _, err := c.open()
	if err != nil {
		return persistence.Config{}, err
	}
	return persistence.ReadConfig(home.Config())
}

type configSetCmd struct {
	Name  string `arg:"" help:"Name of the setting, such as retry.maxAttempts."`
	Value string `arg:"" help:"Its new value: 20, 1.5s, true, a list with commas."`
}

// Run asks the running app to change its configuration, or changes the file while nobody else can.
func (k configSetCmd) Run(c *console) error {
	home, client, err := c.open()
	if err != nil {
		return err
	}
	v, err := client.Config(c.ctx)
	if errors.Is(err, diagnostics.ErrNotRunning) {
		return k.offline(home)
	}
	if err != nil {
		return err
	}
	if v, err = k.apply(v); err != nil {
		return err
	}
	return client.PutConfig(c.ctx, v)
}

func (k configSetCmd) offline(home *persistence.Home) error {
	release, err := home.Lock()
	if err != nil {
		return err
	}
	defer release()
	v, err := persistence.ReadConfig(home.Config())
	if err != nil {
		return err
	}
	if v, err = k.apply(v); err != nil {
		return err
	}
	return persistence.SaveConfig(home.Config(), v)
}

func (k configSetCmd) apply(v persistence.Config) (persistence.Config, error) {
	if _, err := v.Get(k.Name); err != nil {
		return v, unknownSetting(err)
	}
	next, err := v.Set(k.Name, k.Value)
	if err != nil {
		return v, usage{text: err.Error()}
	}
	return next, nil
}

type configResetCmd struct {
	Yes bool `short:"y" help:"Do not ask."`
}

// Run is spec A 1.1's clearConfiguration. It needs the home for itself: a running app would go on with what it knows.
func (k configResetCmd) Run(c *console) error {
	home, _, err := c.open()
	if err != nil {
		return err
	}
	release, err := home.Lock()
	var running persistence.ErrRunning
	if errors.As(err, &running) {
		return &diagnostics.Problem{Code: "running", Text: err.Error(), Advice: "End it first with: handline quit"}
	}
	if err != nil {
		return err
	}
	defer release()
	if !k.Yes {
		if err := c.confirm("This forgets the server, the conversation, your places in conversations and the keys."); err != nil {
			return err
		}
	}
	return forget(c.ctx, home)
}

// confirm asks a person, and takes nothing else than yes for it.
func (c *console) confirm(what string) error {
	if !term.IsTerminal(int(c.in.Fd())) {
		return usage{"nobody is there to ask", "Say --yes."}
	}
	fmt.Fprintf(c.err, "%s\nGo on? [y/N] ", what)
	answer, _ := bufio.NewReader(c.in).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}
