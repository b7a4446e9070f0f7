package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// upstream is an application of which every byte is scripted: script is called
// for each connection. It counts the requests of which it saw any byte.
type upstream struct {
	*testing.T
	net.Listener
	requests atomic.Int64
	group    sync.WaitGroup
}

// line is a connection as the application sees it.
type line struct {
	*upstream
	*net.TCPConn
	reader *bufio.Reader
}

func newUpstream(t *testing.T, script func(l *line)) *upstream {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{T: t, Listener: listener}
	u.group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			u.group.Go(func() {
				defer conn.Close()
				script(&line{u, conn.(*net.TCPConn), bufio.NewReader(conn)})
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		u.group.Wait()
	})
	return u
}

// read returns the next request, whole, or nil at the end of the connection.
func (l *line) read() *http.Request {
	if _, err := l.reader.Peek(1); err != nil {
		return nil
	}
	l.requests.Add(1)
	r, err := http.ReadRequest(l.reader)
	if err != nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}

func (l *line) say(text string) { _, _ = io.WriteString(l.TCPConn, text) }

// reset ends the connection the hard way.
func (l *line) reset() { _ = l.SetLinger(0); _ = l.TCPConn.Close() }

const (
	okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhandled"
	patience = 10 * time.Second
)

// answers returns a script that answers every request on a connection alike.
func answers(text string) func(*line) {
	return func(l *line) {
		for l.read() != nil {
			l.say(text)
		}
	}
}

// send sends a request and returns its answer, read to the end.
func (u *upstream) send(t *Transport, method, body string) (status int, text string, err error) {
	u.Helper()
	return u.sendWithin(u.Context(), t, method, strings.NewReader(body))
}

func (u *upstream) sendWithin(ctx context.Context, t *Transport, method string, body io.Reader) (status int, text string, err error) {
	u.Helper()
	r, err := http.NewRequestWithContext(ctx, method, "http://application/hooks?x=1", body)
	if err != nil {
		u.Fatal(err)
	}
	answer, err := t.RoundTrip(r, "tcp", u.Addr().String())
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(read), err
}

func (u *upstream) wantRequests(n int64) {
	u.Helper()
	if got := u.requests.Load(); got != n {
		u.Errorf("the application saw %d requests, want %d", got, n)
	}
}

func TestRequestArrivesAsItIs(t *testing.T) {
	arrived := make(chan *http.Request, 1)
	u := newUpstream(t, func(l *line) {
		for r := l.read(); r != nil; r = l.read() {
			arrived <- r
			l.say(okAnswer)
		}
	})
	transport := new(Transport)
	for _, body := range []string{"", "x", strings.Repeat("0123456789abcdef", 1<<10), strings.Repeat("y", 1<<20)} {
		status, text, err := u.send(transport, http.MethodPost, body)
		if status != 200 || text != "handled" || err != nil {
			t.Fatalf("%d bytes: %d %q %v", len(body), status, text, err)
		}
		r := <-arrived
		got, err := io.ReadAll(r.Body)
		if err != nil || string(got) != body || r.ContentLength != int64(len(body)) || r.RequestURI != "/hooks?x=1" || r.Host != "application" {
			t.Errorf("%d bytes arrived as %s %s, %d of %d bytes", len(body), r.RequestURI, r.Host, len(got), r.ContentLength)
		}
	}
}

// A body whose length is not known goes on in chunks.
func TestRequestOfUnknownLength(t *testing.T) {
	arrived := make(chan string, 1)
	u := newUpstream(t, func(l *line) {
		r := l.read()
		body, _ := io.ReadAll(r.Body)
		arrived <- strings.Join(r.TransferEncoding, ",") + " " + string(body)
		l.say(okAnswer)
	})
	if status, _, err := u.sendWithin(t.Context(), new(Transport), http.MethodPost, io.MultiReader(strings.NewReader("a"), strings.NewReader("b"))); status != 200 || err != nil {
		t.Errorf("%d %v", status, err)
	}
	if got := <-arrived; got != "chunked ab" {
		t.Errorf("it arrived as %q", got)
	}
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, method, says string
		status             int
		body               string
		connections        int // for two requests
	}{
		{"with a length", "POST", okAnswer, 200, "handled", 1},
		{"in chunks", "POST", "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhan\r\n4;x=y\r\ndled\r\n0\r\n\r\n", 201, "handled", 1},
		{"in chunks with trailers", "POST", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n7\r\nhandled\r\n0\r\nX-A: b\r\n\r\n", 200, "handled", 1},
		{"without a body", "POST", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", 1},
		{"204", "POST", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", 1},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, "", 1},
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", 200, "", 1},
		{"a failure", "POST", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy", 503, "busy", 1},
		{"announced", "POST", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + okAnswer, 200, "handled", 1},
		{"and the connection ends", "POST", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\nhandled", 200, "handled", 2},
		{"and more than it should", "POST", okAnswer + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "handled", 2},
		{"long headers", "POST", "HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 512<<10) + "\r\nContent-Length: 7\r\n\r\nhandled", 200, "handled", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var connections atomic.Int64
			u := newUpstream(t, func(l *line) {
				connections.Add(1)
				answers(tt.says)(l)
			})
			transport := new(Transport)
			for range 2 {
				status, body, err := u.send(transport, tt.method, "x")
				if status != tt.status || body != tt.body || err != nil {
					t.Fatalf("%d %q %v", status, body, err)
				}
			}
			u.wantRequests(2)
			if got := connections.Load(); got != int64(tt.connections) {
				t.Errorf("%d connections, want %d", got, tt.connections)
			}
		})
	}
}

// An answer whose end is that of the connection.
func TestAnswerUntilTheEndOfTheConnection(t *testing.T) {
	u := newUpstream(t, func(l *line) {
		l.read()
		l.say("HTTP/1.0 200 OK\r\n\r\nhandled")
	})
	for range 2 {
		if status, body, err := u.send(new(Transport), http.MethodPost, "x"); status != 200 || body != "handled" || err != nil {
			t.Errorf("%d %q %v", status, body, err)
		}
	}
	u.wantRequests(2)
}

func TestUnusableAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, says string
		cause      error
	}{
		{"no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", ErrAnswer},
		{"another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", ErrAnswer},
		{"a header without end", "HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 2*maxAnswerHeader), ErrAnswer},
		{"nothing but announcements", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", maxInterim+1), ErrAnswer},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 8\r\n\r\nhandled", ErrAnswer},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\nhandled", ErrAnswer},
		{"nothing", "", ErrNoAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newUpstream(t, func(l *line) {
				l.read()
				l.say(tt.says)
			})
			status, _, err := u.send(new(Transport), http.MethodPost, "x")
			if !errors.Is(err, tt.cause) || status != 0 {
				t.Errorf("%d %v, want %v", status, err, tt.cause)
			}
			u.wantRequests(1)
		})
	}
}

// Wherever the connection breaks, the request is not sent again, and no answer
// passes for whole that is not.
func TestBrokenAnswers(t *testing.T) {
	for _, reused := range []bool{false, true} {
		for _, hard := range []bool{false, true} {
			for length := range len(okAnswer) {
				t.Run(fmt.Sprintf("reused %v, reset %v, after %d bytes", reused, hard, length), func(t *testing.T) {
					u := newUpstream(t, func(l *line) {
						if reused {
							l.read()
							l.say(okAnswer)
						}
						if l.read() == nil {
							return
						}
						l.say(okAnswer[:length])
						if hard {
							l.reset()
						}
					})
					transport := new(Transport)
					want := int64(1)
					if reused {
						want++
						if status, _, err := u.send(transport, http.MethodPost, "x"); status != 200 || err != nil {
							t.Fatal(status, err)
						}
					}
					status, body, err := u.send(transport, http.MethodPost, "x")
					head := strings.Index(okAnswer, "\r\n\r\n") + 4
					switch {
					case err == nil:
						t.Errorf("it passed for whole: %d %q", status, body)
					case length < head && !errors.Is(err, ErrNoAnswer) && !errors.Is(err, ErrAnswer):
						t.Errorf("%v", err)
					}
					u.wantRequests(want)
				})
			}
		}
	}
}

// Whatever the application reads of a request before it breaks the connection,
// it gets no second one.
func TestBrokenRequests(t *testing.T) {
	for _, size := range []int{10, 8 << 10, 256 << 10} {
		for _, take := range []int{1, 10, 100, 1000} {
			t.Run(fmt.Sprintf("%d bytes of a body of %d", take, size), func(t *testing.T) {
				u := newUpstream(t, func(l *line) {
					l.read0(take)
					l.reset()
				})
				if _, _, err := u.send(new(Transport), http.MethodPost, strings.Repeat("x", size)); err == nil {
					t.Error("it passed")
				}
				u.wantRequests(1)
			})
		}
	}
}

// read0 reads as many bytes as that of a request, if there are.
func (l *line) read0(n int) {
	l.requests.Add(1)
	_ = l.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = io.CopyN(io.Discard, l.TCPConn, int64(n))
	_ = l.SetReadDeadline(time.Time{})
}

// A connection that the application has closed, or on which it has said
// something unasked, is not used again, and nothing is lost.
func TestStaleConnections(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(l *line)
	}{
		{"closed", func(*line) {}},
		{"reset", (*line).reset},
		{"unasked answer", func(l *line) {
			l.say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			read, ended := make(chan struct{}), make(chan struct{})
			u := newUpstream(t, func(l *line) {
				l.read()
				l.say(okAnswer)
				<-read
				tt.end(l)
				_ = l.CloseWrite()
				ended <- struct{}{}
				_, _ = l.reader.Peek(1) // until the other end has seen it
			})
			transport := new(Transport)
			for range 5 {
				status, _, err := u.send(transport, http.MethodPost, "x")
				if status != 200 || err != nil {
					t.Fatal(status, err)
				}
				read <- struct{}{}
				<-ended
			}
			u.wantRequests(5)
		})
	}
}

// What the application has begun to read on a kept connection is not sent again.
func TestAKeptConnectionThatEndsUnderARequest(t *testing.T) {
	u := newUpstream(t, func(l *line) {
		l.read()
		l.say(okAnswer)
		l.read()
	})
	transport := new(Transport)
	if status, _, err := u.send(transport, http.MethodPost, "x"); status != 200 || err != nil {
		t.Fatal(status, err)
	}
	if _, _, err := u.send(transport, http.MethodPost, "x"); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("%v", err)
	}
	u.wantRequests(2)
}

// An application may answer before it has read the request.
func TestAnswerBeforeTheRequestIsRead(t *testing.T) {
	large := strings.Repeat("x", 8<<20)
	for name, script := range map[string]func(*line){
		"and reads no further": func(l *line) {
			l.read0(10)
			l.say("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			_, _ = io.Copy(io.Discard, l.TCPConn)
		},
		"at length, before it reads": func(l *line) {
			l.read0(10)
			l.say(fmt.Sprintf("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", len(large)))
			l.say(large)
			_, _ = io.Copy(io.Discard, l.TCPConn)
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, script)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			status, _, err := u.sendWithin(ctx, new(Transport), http.MethodPost, strings.NewReader(large))
			if status != 413 || err != nil {
				t.Errorf("%d %v", status, err)
			}
			u.wantRequests(1)
		})
	}
}

func TestInterimAnswersAreTraced(t *testing.T) {
	u := newUpstream(t, answers("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"+okAnswer))
	var traced []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			traced = append(traced, fmt.Sprint(code, header.Get("Link")))
			return nil
		},
	})
	if status, _, err := u.sendWithin(ctx, new(Transport), http.MethodPost, strings.NewReader("x")); status != 200 || err != nil {
		t.Error(status, err)
	}
	if got := strings.Join(traced, ";"); got != "103</x>" {
		t.Errorf("traced %q", got)
	}
}

// Wherever the request is, it ends with its context.
func TestTheContextEndsARequest(t *testing.T) {
	for name, says := range map[string]string{"before the answer": "", "in its header": okAnswer[:20], "in its body": okAnswer[:len(okAnswer)-1]} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			given := errors.New("given up")
			u := newUpstream(t, func(l *line) {
				l.read()
				l.say(says)
				cancel(given)
				if _, err := l.reader.Peek(1); err == nil {
					t.Error("the connection goes on")
				}
			})
			_, _, err := u.sendWithin(ctx, new(Transport), http.MethodPost, strings.NewReader("x"))
			if err == nil || name != "in its body" && !errors.Is(err, given) {
				t.Errorf("%v", err)
			}
			u.wantRequests(1)
		})
	}
}

// A sender that does not go on holds nobody longer than the context does.
func TestTheContextEndsARequestThatIsStillArriving(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	given := errors.New("given up")
	u := newUpstream(t, func(l *line) {
		l.read0(1)
		l.say("SSH-2.0-OpenSSH\r\n\r\n")
		cancel(given)
		_, _ = io.Copy(io.Discard, l.TCPConn)
	})
	body, sender := io.Pipe()
	defer sender.Close()
	if _, _, err := u.sendWithin(ctx, new(Transport), http.MethodPost, body); !errors.Is(err, given) {
		t.Errorf("%v", err)
	}
}

func TestUnreachableApplication(t *testing.T) {
	u := newUpstream(t, func(*line) {})
	u.Close()
	if _, _, err := u.send(new(Transport), http.MethodPost, "x"); !errors.Is(err, ErrDial) {
		t.Errorf("%v", err)
	}
}

func TestKeptConnectionsAreBounded(t *testing.T) {
	const most, requests = 3, 10
	arrived, finish := make(chan struct{}, requests), make(chan struct{})
	var open atomic.Int64
	u := newUpstream(t, func(l *line) {
		open.Add(1)
		defer open.Add(-1)
		for l.read() != nil {
			arrived <- struct{}{}
			<-finish
			l.say(okAnswer)
		}
	})
	transport := &Transport{MaxIdle: most, IdleTimeout: time.Hour}
	var group sync.WaitGroup
	for range requests {
		group.Go(func() {
			if status, _, err := u.send(transport, http.MethodPost, "x"); status != 200 || err != nil {
				t.Error(status, err)
			}
		})
	}
	for range requests {
		<-arrived
	}
	close(finish)
	group.Wait()
	await(t, func() bool { return open.Load() == most })
	transport.CloseIdle()
	await(t, func() bool { return open.Load() == 0 })
}

func TestConnectionsAreNotKeptForLong(t *testing.T) {
	var open atomic.Int64
	u := newUpstream(t, func(l *line) {
		open.Add(1)
		defer open.Add(-1)
		answers(okAnswer)(l)
	})
	if status, _, err := u.send(&Transport{IdleTimeout: time.Millisecond}, http.MethodPost, "x"); status != 200 || err != nil {
		t.Fatal(status, err)
	}
	await(t, func() bool { return open.Load() == 0 })
}

// await returns when something has come true that takes a moment.
func await(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come true")
		}
	}
}

// However many go at once, and however often the application breaks off, every
// success that is reported was one, and no request is handled twice.
func TestManyAtOnce(t *testing.T) {
	var (
		mu      sync.Mutex
		handled = map[string]int{}
		n       atomic.Int64
	)
	u := newUpstream(t, func(l *line) {
		for r := l.read(); r != nil; r = l.read() {
			body, _ := io.ReadAll(r.Body)
			mu.Lock()
			handled[string(body)]++
			mu.Unlock()
			switch n.Add(1) % 13 {
			case 3:
				return
			case 5:
				l.reset()
				return
			case 7:
				l.say(okAnswer)
				return // without having said so
			case 11:
				l.say("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
			default:
				l.say(okAnswer)
			}
		}
	})
	transport := new(Transport)
	var group sync.WaitGroup
	var successes atomic.Int64
	for worker := range 16 {
		group.Go(func() {
			for i := range 200 {
				id := fmt.Sprint(worker, " ", i)
				status, body, err := u.send(transport, http.MethodPost, id)
				if err != nil || status != 200 {
					continue
				}
				successes.Add(1)
				mu.Lock()
				if handled[id] != 1 || body != "handled" {
					t.Errorf("request %s: answered %q, handled %d times", id, body, handled[id])
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for id, times := range handled {
		if times > 1 {
			t.Errorf("request %s was handled %d times", id, times)
		}
	}
	if successes.Load() == 0 {
		t.Error("none got through")
	}
}
