package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hookpass/hookpass/catalog"
)

// command is a command of ours. What they have in common is here: how a mistake is
// told, what the exit code says, and where a shell completes the name of a provider.
type command struct {
	name, usage, short, long string
	flags                    *flag.FlagSet
	run                      func(args []string) error // gets what is no flag
	takesProvider            bool                      // as its first argument
	tellsExit                bool                      // long has the exit codes, which are not those of the others
}

// The exit codes of our commands.
const (
	exitDone = 0
	exitFail = 1 // the command could not do what it was asked to
	exitNo   = 2 // it could, and the answer is no
)

// exitCode is that of a command that ended in err.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	for _, no := range []error{errRefused, errRejected, errNotFound, errNotRemembered, errNotTaken, errUnproven} {
		if errors.Is(err, no) {
			return exitNo
		}
	}
	return exitFail
}

const helpFooter = `
The exit code is 0 if all went well, 2 if the answer is no, and 1 if there is none,
as something was wrong. See https://github.com/hookpass/hookpass/blob/main/docs/cli.md
`

// register makes c known to Caddy's command line, which also generates completions and
// manual pages.
func (c command) register() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: c.name, Usage: c.usage, Short: c.short, Long: strings.TrimSpace(c.long),
		CobraFunc: func(cobraCommand *cobra.Command) {
			cobraCommand.Flags().AddGoFlagSet(c.flags)
			cobraCommand.SetFlagErrorFunc(withNearestFlag)
			if !c.tellsExit {
				cobraCommand.SetHelpTemplate(cobraCommand.HelpTemplate() + helpFooter)
			}
			if c.takesProvider {
				cobraCommand.ValidArgsFunction = completeProvider
			}
			if cobraCommand.Flags().Lookup("provider") != nil {
				if err := cobraCommand.RegisterFlagCompletionFunc("provider", completeProvider); err != nil {
					panic(err) // the flag is there
				}
			}
			cobraCommand.RunE = func(_ *cobra.Command, args []string) error {
				if err := c.run(args); err != nil {
					fmt.Fprintf(os.Stderr, "hookpass %s: %v\n", c.name, err)
					os.Exit(exitCode(err)) // Caddy would give every error the code 1
				}
				return nil
			}
		},
	})
}

func completeProvider(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return catalog.IDs(), cobra.ShellCompDirectiveNoFileComp
}

// withNearestFlag adds to the error about an unknown flag the one that may be meant.
func withNearestFlag(c *cobra.Command, err error) error {
	name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !unknown {
		return err
	}
	var known []string
	c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	return fmt.Errorf("%w: did you mean --%s? See %s --help", err, catalog.Nearest(name, known), c.CommandPath())
}

// printJSON writes one value as one line.
func printJSON(w io.Writer, value any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	_, err := w.Write(plainJSON(text.Bytes()))
	return err
}
