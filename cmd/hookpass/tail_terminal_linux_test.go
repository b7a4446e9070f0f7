package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// On a terminal there are colours, and a last line with rates, until Ctrl-C.
func TestTailOnATerminal(t *testing.T) {
	dir := socketDir(t)
	p := launchKeeping(t, dir, newApplication(t))
	p.wants("/in", "1", mark, 200, "handled /in 1")
	control, terminal := newTerminal(t)
	command := exec.Command(os.Args[0], "tail", "-n", "1", "--address", "unix/"+dir+"/admin.sock")
	command.Env = append(os.Environ(), asHookpass+"=1", "TERM=xterm", "NO_COLOR=")
	command.Stdin, command.Stdout, command.Stderr = terminal, terminal, terminal
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	_ = terminal.Close()
	ended := make(chan error, 1)
	var drawn output
	read := make(chan struct{})
	go func() {
		defer close(read)
		b := make([]byte, 4096)
		for {
			n, err := control.Read(b) // an error once the command has ended
			_, _ = drawn.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	go func() { ended <- command.Wait() }()
	defer func() { _ = command.Process.Kill() }()
	p.await("the delivery is shown", func() bool { return strings.Contains(drawn.String(), "\x1b[32mforwarded\x1b[0m  task.created") })
	p.await("the rates are shown", func() bool { return strings.Contains(drawn.String(), clearLine+"last 0 s: no deliveries") })
	p.wants("/in", "2", mark, 200, "handled /in 2")
	p.await("the next is counted", func() bool {
		text := drawn.String()
		return strings.Contains(text, "  2 ") && strings.Contains(text[strings.LastIndex(text, "\r"):], " s: forwarded ")
	})
	if _, err := control.WriteString("\x03"); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	<-read
	if text := drawn.String(); !strings.HasSuffix(text, clearLine) {
		t.Errorf("it has drawn %q", text)
	}
	p.stop()
}

// newTerminal returns both ends of a terminal of 100 columns.
func newTerminal(t *testing.T) (control, terminal *os.File) {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = control.Close() })
	fd := int(control.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	err = errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0), unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100}))
	if err != nil {
		t.Fatal(err)
	}
	if terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	return control, terminal
}
