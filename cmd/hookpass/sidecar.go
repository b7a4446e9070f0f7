package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

func init() {
	s := &sidecar{output: os.Stdout}
	command{
		name:  "sidecar",
		usage: "[--provider <id>] [--secret-env <variable> | --secret-file <file>] [--upstream <host:port>] ... [--print-config]",
		short: "Runs hookpass beside one application, without a Caddyfile",
		long: `
Lets genuine deliveries pass to one application. The environment says all that a
sidecar has to know:

	HOOKPASS_PROVIDER=stripe HOOKPASS_SECRET=whsec_… HOOKPASS_UPSTREAM=localhost:3000 hookpass sidecar

Each flag is a variable, too, and goes before it: --upstream is HOOKPASS_UPSTREAM. No
flag takes a secret, as everybody on the machine sees it: --secret-env takes the name
of a variable, --secret-file a file, and both may be repeated while a secret is
rolled.

Deliveries are taken on port 8080; /livez, /readyz and /metrics are on port 8081.
SIGTERM finishes what is in flight, SIGHUP reads the files of secrets again, which
also happens by itself when they change.

--print-config prints the Caddyfile that this stands for, which hookpass run takes as
it is. The page docs/sidecar.md tells about every setting.
`,
		flags: s.flags(),
		run: func(args []string) error {
			if len(args) > 0 {
				return errors.New("it takes flags alone, and something else is there") // which may be a secret
			}
			return s.run(os.Environ())
		},
	}.register()
}

// watchEvery is how often the files of secrets are looked at.
const watchEvery = time.Second

// sidecar is the command: its flags, and where it writes to.
type sidecar struct {
	output io.Writer

	said  sidecarFlags
	print bool
}

func (s *sidecar) flags() *flag.FlagSet {
	f := flag.NewFlagSet("sidecar", flag.ContinueOnError)
	s.said = sidecarFlags{}
	s.said.register(f)
	f.BoolVar(&s.print, "print-config", false, "Print the Caddyfile, and do no more")
	return f
}

func (s *sidecar) run(environ []string) error {
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP) // from now on, it ends no process
	config, err := readSidecar(environ, s.said)
	if err != nil {
		return err
	}
	file, err := config.caddyfile(onTerminal(os.Stdout))
	if err != nil {
		return err
	}
	adapted, err := file.adapt()
	if err != nil {
		return err
	}
	if s.print {
		_, err := io.WriteString(s.output, file.text.String())
		return err
	}

	limitMemory()
	caddy.TrapSignals()
	digest := digestOfAll(config.files())
	if err := caddy.Load(adapted, true); err != nil {
		return file.explain(err)
	}
	// Caddy's own handler, which is there by now, says that it does nothing. Reset
	// in place of Ignore would let the signal end the process for a moment.
	signal.Ignore(syscall.SIGHUP)
	signal.Notify(reload, syscall.SIGHUP)
	for _, e := range config.endpoints {
		caddy.Log().Info("deliveries are taken", zap.String("provider", e.provider.ID), zap.String("path", e.path), zap.String("listen", config.listen().text))
	}
	for tick := time.Tick(watchEvery); ; {
		select {
		case <-reload:
		case <-tick:
			if digestOfAll(config.files()) == digest {
				continue
			}
		}
		if caddy.Exiting() {
			continue
		}
		digest = digestOfAll(config.files())
		if err := caddy.Load(adapted, true); err != nil {
			caddy.Log().Error("the secrets before remain in force, as the new ones cannot be used", zap.Error(file.explain(err)))
			continue
		}
		caddy.Log().Info("reloaded")
	}
}

// limitMemory has the garbage collector know what the container may take, as
// "hookpass run" does. Where GOMEMLIMIT is set, that holds.
func limitMemory() {
	_, err := memlimit.Set(memlimit.WithProvider(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)))
	if err != nil {
		caddy.Log().Warn("the memory that may be taken is not known: set GOMEMLIMIT", zap.Error(err))
	}
}

func onTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // which looks like one
	return err == nil && !os.SameFile(info, null)
}

// digestOfAll is the same as long as the files hold the same. One that cannot be
// read is a change, too.
func digestOfAll(files []string) [sha256.Size]byte {
	var all []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		all = fmt.Appendf(all, "%x %v\n", sha256.Sum256(text), err == nil)
	}
	return sha256.Sum256(all)
}
