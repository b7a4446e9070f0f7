package chaos

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"
)

// A process that is told to stop takes nothing new, and ends when what runs is
// answered. Its successor knows of it.
func TestAStopFinishesWhatRuns(t *testing.T) {
	began, finish := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-finish
		_, _ = io.WriteString(w, "handled")
	}))
	defer server.Close()
	l := &lab{T: t, scenario: killed, dir: t.TempDir(), start: time.Now(), histories: make([]history, 1)}
	l.histories[0].plan(0)
	l.application = &application{lab: l, address: server.Listener.Addr().String()}
	r := l.startReplica(build(t, nil))
	l.replicas = []*replica{r}
	s := &senders{lab: l, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, lane: make(chan struct{}, 1), ctx: t.Context()}

	running := make(chan attempt)
	go func() { running <- s.attempt(0, 0) }()
	<-began
	if err := r.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for {
		connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.address)
		if err != nil {
			break
		}
		connection.Close()
	}
	close(finish)
	if a := <-running; a.status != http.StatusOK || a.duplicate {
		t.Errorf("what ran was answered %v", a)
	}
	if err := r.command.Wait(); err != nil {
		t.Errorf("hookpass ended with %v\n%s", err, &r.output)
	}
	r.start()
	if a := s.attempt(0, 0); a.status != http.StatusOK || !a.duplicate {
		t.Errorf("its successor answered %v", a)
	}
}
