package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// application is what must be protected. It is two: a server that notes what it
// was asked, as any would, and below it a listener that notes the bytes and reads
// them by the strictest rules, so that a request inside of another one shows.
type application struct {
	address string
	server  *http.Server

	mu       sync.Mutex
	seen     []seen
	wires    []*wire
	forgets  atomic.Bool // what it got
	kept     string      // the body of a delivery that waits for its answer
	released chan struct{}
	copies   int // of that one
}

// seen is a request as the server understood it.
type seen struct {
	method, target, body string
	header, trailer      http.Header
	coding               []string
}

func startApplication(ctx context.Context) (*application, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &application{address: listener.Addr().String()}
	a.server = &http.Server{Handler: a, ReadHeaderTimeout: patience}
	go func() { _ = a.server.Serve(tap{listener, a}) }()
	return a, nil
}

func (a *application) stop() { _ = a.server.Close() }

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		body = fmt.Append(body, " BROKEN OFF: ", err)
	}
	a.mu.Lock()
	if a.forgets.Load() {
		released := a.released
		if kept := string(body) == a.kept; kept {
			a.copies++
		} else {
			released = nil
		}
		a.mu.Unlock()
		if released != nil {
			<-released
		}
		_, _ = io.WriteString(w, "handled")
		return
	}
	a.seen = append(a.seen, seen{r.Method, r.RequestURI, string(body), r.Header, r.Trailer, r.TransferEncoding})
	a.mu.Unlock()
	_, _ = io.WriteString(w, "handled")
}

// forget has it note nothing from now on.
func (a *application) forget() { a.forgets.Store(true) }

// keep has the delivery with that body wait until it is released, which tells how
// often it came.
func (a *application) keep(body string) (release func() int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept, a.released, a.copies = body, make(chan struct{}), 0
	return func() int {
		a.mu.Lock()
		defer a.mu.Unlock()
		close(a.released)
		a.kept, a.released = "", nil
		return a.copies
	}
}

// take returns what arrived since the last time, and what the bytes were if they
// were not plainly that many requests.
func (a *application) take() (arrived []seen, heads []string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	arrived, a.seen = a.seen, nil
	for _, w := range a.wires {
		more, err := w.take()
		heads = append(heads, more...)
		if err != nil {
			return arrived, heads, err
		}
	}
	if len(heads) != len(arrived) {
		return arrived, heads, fmt.Errorf("the server saw %d requests, and there were %d: %q", len(arrived), len(heads), heads)
	}
	return arrived, heads, nil
}

// tap notes what comes over the connections of a listener.
type tap struct {
	net.Listener
	to *application
}

func (t tap) Accept() (net.Conn, error) {
	connection, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if t.to.forgets.Load() {
		return connection, nil
	}
	w := &wire{Conn: connection, forgets: &t.to.forgets}
	t.to.mu.Lock()
	t.to.wires = append(t.to.wires, w)
	t.to.mu.Unlock()
	return w, nil
}

// wire is a connection to the application, and what came over it.
type wire struct {
	net.Conn
	forgets *atomic.Bool
	mu      sync.Mutex
	bytes   []byte
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if w.forgets.Load() {
		return n, err
	}
	w.mu.Lock()
	w.bytes = append(w.bytes, p[:n]...)
	w.mu.Unlock()
	return n, err
}

// take reads all bytes as requests, and returns their heads.
func (w *wire) take() (heads []string, err error) {
	w.mu.Lock()
	came := w.bytes
	w.bytes = nil
	w.mu.Unlock()
	for len(came) > 0 {
		head, length, err := strictly(came)
		if err != nil {
			return heads, err
		}
		heads = append(heads, head)
		came = came[length:]
	}
	return heads, nil
}

// strictly takes the first request off b: a head in which nothing can be read in
// two ways, and as many bytes as its one Content-Length says, or chunks without
// anything beside their sizes. What is no POST may have neither.
func strictly(b []byte) (head string, length int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return "", 0, fmt.Errorf("on the wire is no request: %.200q", b)
	}
	head = string(b[:end])
	lengths, hosts, chunked := []string{}, 0, false
	for i, line := range strings.Split(head, "\r\n") {
		if strings.ContainsAny(line, "\r\n\x00") || line == "" || line[0] == ' ' || line[0] == '\t' {
			return "", 0, fmt.Errorf("on the wire is a line that may be read as two: %q", line)
		}
		if i == 0 {
			if words := strings.Split(line, " "); len(words) != 3 || words[2] != "HTTP/1.1" {
				return "", 0, fmt.Errorf("on the wire is no request line: %q", line)
			}
			continue
		}
		name, value, ok := strings.Cut(line, ": ")
		switch alike := dashed(name); {
		case !ok || strings.TrimSpace(name) != name || name == "":
			return "", 0, fmt.Errorf("on the wire is no header field: %q", line)
		case line == "Te: trailers": // says only what the answer may have
		case line == "Transfer-Encoding: chunked" && !chunked:
			chunked = true
		case slices.Contains([]string{"transfer-encoding", "trailer", "upgrade", "connection", "te"}, alike):
			return "", 0, fmt.Errorf("on the wire is a field that was to end here: %q", line)
		case alike == "content-length":
			lengths = append(lengths, value)
		case alike == "host":
			hosts++
		}
	}
	if hosts == 1 && chunked && len(lengths) == 0 {
		length, err = chunks(b, end+4)
		return head, length, err
	}
	if len(lengths) == 0 && !strings.HasPrefix(head, http.MethodPost) {
		lengths = []string{"0"}
	}
	if hosts != 1 || len(lengths) != 1 || chunked {
		return "", 0, fmt.Errorf("on the wire are %d hosts and %d lengths: %q", hosts, len(lengths), head)
	}
	n, err := strconv.ParseUint(lengths[0], 10, 31)
	length = end + 4 + int(n)
	if err != nil || length > len(b) {
		return "", 0, fmt.Errorf("on the wire is a body shorter than its %q bytes: %q", lengths[0], head)
	}
	return head, length, nil
}

var chunkSize = regexp.MustCompile(`^([0-9a-f]{1,8})\r\n`)

// chunks returns where the chunks that begin at a place end.
func chunks(b []byte, at int) (end int, err error) {
	for {
		size := chunkSize.FindSubmatch(b[at:])
		if size == nil {
			return 0, fmt.Errorf("on the wire is no chunk: %.100q", b[at:])
		}
		n, err := strconv.ParseUint(string(size[1]), 16, 31)
		if err != nil {
			return 0, err
		}
		at += len(size[0]) + int(n)
		if at+2 > len(b) || string(b[at:at+2]) != "\r\n" {
			return 0, fmt.Errorf("on the wire is a chunk that does not end where it says: %.100q", b)
		}
		if at += 2; n == 0 {
			return at, nil
		}
	}
}

// dashed is a name of which nothing is left but what every server keeps: some make
// one sign of all that are neither letters nor digits.
func dashed(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' {
			return c
		}
		return '-'
	}, strings.ToLower(name))
}

// ownFields are the fields of a head that the application would take for ours,
// whatever its server makes of their names.
func ownFields(head string) map[string][]string {
	own := map[string][]string{}
	for _, line := range strings.Split(head, "\r\n")[1:] {
		name, value, _ := strings.Cut(line, ": ")
		if alike := dashed(name); strings.HasPrefix(alike, "hookpass-") {
			own[alike] = append(own[alike], value)
		}
	}
	return own
}
