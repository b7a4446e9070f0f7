// Mutate tells what the tests of a package would not notice. It changes the
// files that it is given in many small ways, one at a time, runs the tests on
// each, and prints the changes that no test minded:
//
//	go run ./mutate -tests ./webhook,./catalog webhook/hmac.go webhook/token.go
//
// All changes are compiled into one test binary, which a variable of the
// environment tells the one to make: a build for each would take hours.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
)

// accepted holds the mutants that may survive, each with the reason.
//
//go:embed accepted.txt
var accepted string

var errSurvivors = errors.New("mutants survived: write a test that kills each, or say in mutate/accepted.txt why none can")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], accepted, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, accepted string, out io.Writer) error {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	tests := flags.String("tests", "", "packages whose tests judge, separated by commas, the fastest first; default: that of the files")
	judging := flags.String("run", "", "`regexp` of the tests that judge, as of go test; default: all")
	first := flags.String("first", "", "`regexp` of tests to run before the others of a package, as they kill most and soon")
	match := flags.String("match", "", "`regexp` of the mutants to try, as they are printed; default: all")
	workers := flags.Int("workers", 1, "how many to try at a time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	matching, err := regexp.Compile(*match)
	if err != nil {
		return fmt.Errorf("-match: %w", err)
	}
	if flags.NArg() == 0 {
		return errors.New("name the files to mutate, of one package")
	}
	reasons, err := parseAccepted(accepted)
	if err != nil {
		return err
	}

	target, err := load(ctx, flags.Args())
	if err != nil {
		return err
	}
	temporary, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	judges := strings.Split(*tests, ",")
	if *tests == "" {
		judges = []string{"./" + filepath.Dir(flags.Arg(0))}
	}
	binaries, err := target.build(ctx, temporary, judges, *first, *judging)
	if err != nil {
		return err
	}

	var chosen []mutant
	for _, m := range target.mutants {
		if matching.MatchString(m.String()) {
			chosen = append(chosen, m)
		}
	}
	survivors, err := try(ctx, binaries, chosen, *workers)
	if err != nil {
		return err
	}
	return report(out, chosen, survivors, reasons)
}

// report prints the survivors that nothing excuses, the excuses that nothing
// needs any longer, and the figures.
func report(out io.Writer, tried, survivors []mutant, reasons map[string]string) error {
	survived, explained := make(map[string]bool), 0
	for _, m := range survivors {
		survived[m.key()] = true
		if reasons[m.key()] != "" {
			explained++
			continue
		}
		_, _ = fmt.Fprintln(out, m)
	}
	for _, m := range tried {
		if reasons[m.key()] != "" && !survived[m.key()] {
			_, _ = fmt.Fprintf(out, "%s: killed, and yet in accepted.txt\n", m)
		}
	}
	_, _ = fmt.Fprintf(out, "%d mutants, %d killed, %d survived, of which %d are explained\n",
		len(tried), len(tried)-len(survivors), len(survivors), explained)
	if explained < len(survivors) {
		return errSurvivors
	}
	return nil
}

// parseAccepted reads blocks of mutants, one a line and as they are printed but
// for the line number, each block below the reason, which begins with "# ".
func parseAccepted(text string) (map[string]string, error) {
	reasons := make(map[string]string)
	reason, inReason := "", false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		comment, isReason := strings.CutPrefix(line, "# ")
		switch {
		case line == "":
			reason, inReason = "", false
		case isReason && inReason:
			reason += " " + comment
		case isReason:
			reason, inReason = comment, true
		case reason == "":
			return nil, fmt.Errorf("accepted.txt: %q stands below no reason", line)
		default:
			reasons[line], inReason = reason, false
		}
	}
	return reasons, nil
}
