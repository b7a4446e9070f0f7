// Command hostile sends requests that no provider sends, over real connections, to
// a hookpass with an application behind it, and sees that the application gets
// none of them but what was signed, that nothing is left of any, and that genuine
// deliveries pass after each.
//
//	go run ./hostile
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"time"
)

func main() {
	beHookpass()
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := attackAll(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

var errFound = errors.New("not every request ended as it should")

func attackAll(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "hookpass-hostile")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	table, found := new(table), false
	if err := run(ctx, dir, themes, func(o outcome) {
		table.add(&o)
		for _, problem := range o.problems {
			found = true
			fmt.Fprintf(os.Stderr, "%s: %s: %s\n", o.theme, o.attack.name, problem)
		}
	}); err != nil {
		return err
	}
	commit, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return err
	}
	fmt.Printf("%s, commit %s, %s, %d processors\n\n%s",
		time.Now().UTC().Format(time.DateOnly), strings.TrimSpace(string(commit)), runtime.Version(), runtime.NumCPU(), table)
	if found {
		return errFound
	}
	return nil
}
