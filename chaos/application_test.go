package chaos

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// behaviour is what the application does with a request.
type behaviour uint8

const (
	handles behaviour = iota // 200, soon
	fails                    // 500
	isSlow                   // 200, later than an impatient sender waits for
	hangs                    // no answer until hookpass gives up
	cuts                     // the connection, without an answer
)

// application notes every request, and dies and returns.
type application struct {
	lab     *lab
	address string

	mu     sync.RWMutex // for writing while it dies: no answer is half on its way then
	dead   bool
	server *http.Server
}

func (l *lab) newApplication() *application {
	a := &application{lab: l, address: l.reserve()}
	a.live()
	l.Cleanup(a.die)
	return a
}

// reserve returns an address that nobody else gets while the application is dead: a
// socket that does not listen has it, too.
func (l *lab) reserve() string {
	l.Helper()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = unix.Close(socket) })
	err = unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	if err == nil {
		err = unix.Bind(socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		l.Fatal(err)
	}
	bound, err := unix.Getsockname(socket)
	if err != nil {
		l.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(bound.(*unix.SockaddrInet4).Port))
}

func share(_, _ string, c syscall.RawConn) error {
	var err error
	return errors.Join(c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }), err)
}

// live listens again.
func (a *application) live() {
	listener, err := (&net.ListenConfig{Control: share}).Listen(context.WithoutCancel(a.lab.Context()), "tcp", a.address)
	if err != nil {
		a.lab.Error(err)
		return
	}
	a.mu.Lock()
	a.dead = false
	a.server = &http.Server{Handler: a, ReadHeaderTimeout: time.Minute}
	server := a.server
	a.mu.Unlock()
	go func() { _ = server.Serve(listener) }()
}

// die cuts every connection at once.
func (a *application) die() {
	a.mu.Lock()
	a.dead = true
	server := a.server
	a.mu.Unlock()
	_ = server.Close()
}

func (a *application) dieAndReturn() {
	a.die()
	rest(a.lab.Context(), 100*time.Millisecond)
	a.live()
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := a.history(r.Header.Get(indexHeader))
	if h == nil {
		a.lab.Errorf("a request that nobody sent: %v", r.Header)
		return
	}
	n, does := h.arrive(a.lab.now(), r.Header.Get(incarnationHeader))
	_, _ = io.Copy(io.Discard, r.Body)

	pause := time.Duration(0)
	switch does {
	case isSlow:
		pause = 2 * senderPatience
	case hangs:
		pause = time.Minute
	}
	alive := rest(r.Context(), pause)
	a.mu.RLock()
	defer a.mu.RUnlock()
	switch {
	case !alive || a.dead:
		h.leave(n, visit{end: a.lab.now(), cancelled: true})
		panic(http.ErrAbortHandler)
	case does == cuts:
		h.leave(n, visit{end: a.lab.now()})
		panic(http.ErrAbortHandler)
	case does == fails:
		h.leave(n, visit{end: a.lab.now(), status: http.StatusInternalServerError})
		w.WriteHeader(http.StatusInternalServerError)
	default:
		h.leave(n, visit{end: a.lab.now(), status: http.StatusOK})
		_, _ = io.WriteString(w, "handled")
	}
	_ = http.NewResponseController(w).Flush()
}

// history returns that of the delivery with the number, or nil if there is none.
func (a *application) history(number string) *history {
	n, err := strconv.Atoi(number)
	a.mu.RLock()
	defer a.mu.RUnlock()
	if i := n - a.lab.first; err == nil && i >= 0 && i < len(a.lab.histories) {
		return &a.lab.histories[i]
	}
	return nil
}
