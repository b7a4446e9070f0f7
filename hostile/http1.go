package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// http1 makes a text what goes over the wire: line ends are those of HTTP, but "␊"
// is a line feed alone.
func http1(text string) string {
	return strings.NewReplacer("\n", "\r\n", "␊", "\n").Replace(text)
}

// ending is what the sender does behind its text.
type ending struct {
	hangsUp bool          // it sends no more
	filler  string        // it sends this again and again,
	pause   time.Duration // with pauses,
	tail    string        // and at the end this
	times   int           // after so many; 0: until it is stopped
}

var hangsUp = ending{hangsUp: true}

const (
	post    = "POST {path} HTTP/1.1\nHost: {host}\n"
	sized   = "Content-Length: {length}\n"
	genuine = post + "{signed}" + sized + "\n{body}"
)

// plus adds fields to a genuine delivery.
func plus(fields string) string { return post + fields + "{signed}" + sized + "\n{body}" }

// behind adds them behind the signed ones.
func behind(fields string) string { return post + "{signed}" + fields + sized + "\n{body}" }

// instead has other fields in place of the signed ones.
func instead(fields string) string { return post + fields + sized + "\n{body}" }

// framed has another frame than a length, and what goes into it.
func framed(fields, payload string) string { return post + "{signed}" + fields + "\n" + payload }

// line has another request line and host.
func line(text string) string { return text + "\n{signed}" + sized + "\n{body}" }

// sendHTTP1 sends the text and returns what is answered until hookpass hangs up.
func (l *letter) sendHTTP1(ctx context.Context, a *attack) (string, error) {
	connection, err := l.site.dial(ctx, "http/1.1")
	if err != nil {
		return "", err
	}
	defer func() { _ = connection.Close() }()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		l.write(connection, a, stop)
	}()
	answers, reader := []string{}, bufio.NewReader(connection)
	method, _, _ := strings.Cut(a.text, " ")
	for {
		answer, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				answers = append(answers, "hangs")
			}
			break
		}
		if answer.StatusCode >= http.StatusOK && a.then == (ending{}) {
			// Whatever hookpass takes for a further request is answered now.
			closeWrite(connection)
		}
		answers = append(answers, strconv.Itoa(answer.StatusCode))
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	close(stop)
	_ = connection.Close()
	<-stopped
	if len(answers) == 0 {
		return "closed", nil
	}
	return strings.Join(answers, " "), nil
}

// write does not report errors: hookpass may hang up whenever it has heard enough.
func (l *letter) write(connection net.Conn, a *attack, stop chan struct{}) {
	if _, err := io.WriteString(connection, l.fill(http1(a.text))); err != nil {
		return
	}
	if a.then.hangsUp {
		closeWrite(connection)
	}
	if a.then.filler == "" {
		return
	}
	filler := http1(a.then.filler)
	for n := 0; a.then.times == 0 || n < a.then.times; n++ {
		select {
		case <-stop:
			return
		case <-time.After(a.then.pause):
		}
		if _, err := io.WriteString(connection, filler); err != nil {
			return
		}
	}
	_, _ = io.WriteString(connection, l.fill(http1(a.then.tail)))
	closeWrite(connection)
}

func closeWrite(connection net.Conn) {
	if half, ok := connection.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
