package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// longestEvent is many times what a delivery takes that is kept, in bytes.
const longestEvent = 1 << 20

var errLongEvent = errors.New("an event has no end")

// event is one of a stream, as the HTML standard has them under "Server-sent events".
type event struct{ name, id, data string }

// readEvents calls each with the events of a stream, until it ends or each fails.
// What is cut off at the end is no event.
func readEvents(r io.Reader, each func(event) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestEvent)
	var e event
	var data []byte // nil until there is some
	for lines.Scan() {
		if lines.Text() == "" {
			if data != nil {
				e.data = string(data[:len(data)-1])
				if err := each(e); err != nil {
					return err
				}
			}
			e, data = event{id: e.id}, nil
			continue
		}
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			if data = append(append(data, value...), '\n'); len(data) > longestEvent {
				return errLongEvent
			}
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return errLongEvent
	}
	return lines.Err()
}
