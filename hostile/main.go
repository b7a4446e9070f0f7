// Command hostile sends requests that no provider sends, over real connections, to
// a hookpass with an application behind it, and sees that the application gets
// none of them but what was signed, that nothing is left of any, and that genuine
// deliveries pass after each.
//
//	go run ./hostile
//	go run ./hostile -flood
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var (
	floodOnly   = flag.Bool("flood", false, "instead of single requests, send floods, and measure genuine deliveries meanwhile")
	connections = flag.Int("connections", 10_000, "how many hostile connections a flood has, at the most: the limit of open files may be lower")
	duration    = flag.Duration("duration", 10*time.Second, "how long genuine deliveries are measured, without each flood and in it")
)

func main() {
	beHookpass()
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	attempt := attackAll
	if *floodOnly {
		attempt = floodAll
	}
	err := attempt(ctx)
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
	if err := printHead(ctx); err != nil {
		return err
	}
	fmt.Print(table)
	if found {
		return errFound
	}
	return nil
}

func floodAll(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "hookpass-hostile")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	n := min(*connections, int(min(limit.Cur, 1<<20))-500)
	if err := printHead(ctx); err != nil {
		return err
	}
	fmt.Printf("%d connections; genuine deliveries a second, and the time that 99 of 100 do not exceed:\n\n%s", n, sufferedHead)
	return flooded(ctx, filepath.Join(dir, "lab"), n, *duration, func(s suffered) { fmt.Print(s) })
}

func printHead(ctx context.Context) error {
	commit, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	fmt.Printf("%s, commit %s, %s, %d processors\n\n",
		time.Now().UTC().Format(time.DateOnly), strings.TrimSpace(string(commit)), runtime.Version(), runtime.NumCPU())
	return err
}
