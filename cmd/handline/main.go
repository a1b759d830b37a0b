// Command handline keeps its owner on the line with an OpenHands backend. One binary, one file a verb; the first
// argument picks the process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"handline/diagnostics"
	"handline/diagnostics/window"
	"handline/persistence"
	"handline/tray/native"
)

// Exit codes, as the help tells them.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitNotConnected = 3
	exitNotRunning   = 4
	exitAuth         = 5
)

const about = `Keeps the line to your OpenHands backend.

Exit codes: 0 connected or done, 1 other failure, 2 usage, 3 not connected, 4 not running, 5 authentication needed.`

// verbs is the command line.
type verbs struct {
	Home string `help:"Directory of this Handline's files. One home holds one server; several at once are several homes." placeholder:"DIR" env:"HANDLINE_HOME"`

	Run           runCmd           `cmd:"" default:"withargs" help:"Start Handline. This is what handline alone does."`
	Status        statusCmd        `cmd:"" help:"Say how the line is."`
	Connect       connectCmd       `cmd:"" help:"Connect, and wait until the line is up or cannot be."`
	Disconnect    disconnectCmd    `cmd:"" help:"Hang up, and stay off the line."`
	Reconnect     reconnectCmd     `cmd:"" help:"Hang up and dial anew."`
	Login         loginCmd         `cmd:"" help:"Store the server's key in the keychain."`
	Logout        logoutCmd        `cmd:"" help:"Remove the server's key from the keychain."`
	Conversations conversationsCmd `cmd:"" help:"List the server's conversations."`
	Events        eventsCmd        `cmd:"" help:"Print the conversation's events."`
	Send          sendCmd          `cmd:"" help:"Say something in the conversation."`
	Outbox        outboxCmd        `cmd:"" help:"See what was said and is not confirmed, and decide about it."`
	Diagnose      diagnoseCmd      `cmd:"" help:"Find out what keeps you from your server."`
	Config        configCmd        `cmd:"" help:"Show and change the configuration."`
	Logs          logsCmd          `cmd:"" help:"Print the log."`
	Demo          demoCmd          `cmd:"" help:"Watch Handline live through a bad day with a backend of its own."`
	Window        windowCmd        `cmd:"" help:"Open the window."`
	Service       serviceCmd       `cmd:"" help:"Start Handline when you log in, or no longer."`
	Uninstall     uninstallCmd     `cmd:"" help:"Remove all that Handline keeps on this computer."`
	Quit          quitCmd          `cmd:"" help:"End the Handline that is running."`
	Version       versionCmd       `cmd:"" help:"Print the version."`
}

func main() {
	// The child that asks the keychain is no command: it speaks on its pipes only, and must start fast.
	if len(os.Args) > 1 && os.Args[1] == "__secret" {
		os.Exit(persistence.SecretChild(os.Args[2:], os.Stdin, os.Stdout))
	}
	if len(os.Args) > 1 && os.Args[1] == window.Verb {
		if err := window.Run(os.Stdin); err != nil {
			fmt.Fprintf(os.Stderr, "handline: %v\n", err)
			os.Exit(exitFailed)
		}
		return
	}
	if err := native.EnterBundle(); err != nil {
		fmt.Fprintf(os.Stderr, "handline: %v\n", err)
		os.Exit(exitFailed)
	}
	// No child, no crash report and no second reader may find the key in the environment.
	token := os.Getenv("HANDLINE_TOKEN")
	os.Unsetenv("HANDLINE_TOKEN")
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup wants to outlive the terminal
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	code := run(ctx, os.Args[1:], token)
	stop()
	os.Exit(code)
}

// run does one command and gives its exit code.
func run(ctx context.Context, args []string, token string) int {
	var v verbs
	parser, err := kong.New(&v, kong.Name("handline"), kong.Description(about), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		panic(err) // verbs has a mistake: no user can cause or cure it
	}
	chosen, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "handline: %v\nSee handline --help.\n", err)
		return exitUsage
	}
	c := &console{ctx: ctx, home: v.Home, token: token, in: os.Stdin, out: os.Stdout, err: os.Stderr}
	c.tty = term.IsTerminal(int(os.Stdout.Fd()))
	c.color = c.tty && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	err = chosen.Run(c)
	c.complain(err)
	return exitCode(err)
}

// console is what a command is given of the world.
type console struct {
	ctx      context.Context
	home     string // --home or HANDLINE_HOME, "" = the system's place
	token    string // HANDLINE_TOKEN, "" = none
	in       *os.File
	out, err io.Writer
	tty      bool // out is a terminal
	color    bool
}

// open resolves the home and gives a client for whoever runs in it.
func (c *console) open() (*persistence.Home, *diagnostics.Client, error) {
	home, err := persistence.OpenHome(c.home)
	if err != nil {
		return nil, nil, err
	}
	return home, diagnostics.NewClient(home.Socket()), nil
}

// width is the terminal's, 0 = not a terminal: nothing is cut.
func (c *console) width() int {
	f, ok := c.out.(*os.File)
	if !ok || !c.tty {
		return 0
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// standing is the state of the line as an error: it has been shown, and only the exit code is left to give.
type standing int

func (s standing) Error() string { return fmt.Sprintf("exit code %d", int(s)) }

// usage is a mistake in what was typed that kong cannot know.
type usage struct{ text, advice string }

func (u usage) Error() string { return u.text }

// complain prints an error: what is, what it means, what to do.
func (c *console) complain(err error) {
	var s standing
	if err == nil || errors.As(err, &s) || errors.Is(err, context.Canceled) {
		return
	}
	p := diagnostics.ProblemOf(err, "")
	var u usage
	switch {
	case errors.Is(err, diagnostics.ErrNotRunning):
		p.Advice = "Start it with: handline run"
	case errors.As(err, &u):
		p.Advice = u.advice
	}
	fmt.Fprintf(c.err, "handline: %s\n", clean(p.Text))
	for _, more := range []string{p.Means, p.Advice} {
		if more != "" {
			fmt.Fprintf(c.err, "  %s\n", clean(more))
		}
	}
}

func exitCode(err error) int {
	var s standing
	var u usage
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &s):
		return int(s)
	case errors.As(err, &u):
		return exitUsage
	case errors.Is(err, diagnostics.ErrNotRunning):
		return exitNotRunning
	case diagnostics.ProblemOf(err, "").Code == "auth":
		return exitAuth
	}
	return exitFailed
}

// clean takes out what could steer a terminal: servers choose titles and reasons.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\u200d' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) { // the joiner holds emoji together
			return -1
		}
		return r
	}, s)
}

type versionCmd struct{}

func (versionCmd) Run(c *console) error {
	fmt.Fprintln(c.out, "handline "+version())
	return nil
}

// version is the one the build was stamped with: a release's tag, or the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return strings.TrimPrefix(v, "v")
	}
	return "dev"
}

type quitCmd struct{}

// Run ends the app and waits until it has gone, so that what is typed next finds the home free.
func (quitCmd) Run(c *console) error {
	home, client, err := c.open()
	if err != nil {
		return err
	}
	if err := client.Quit(c.ctx); err != nil {
		return err
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if release, err := home.Lock(); err == nil {
			release()
			return nil
		}
	}
	return errors.New("Handline has not ended yet")
}
