package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// lines shows each delivery as a line for another program.
type lines struct {
	output, progress io.Writer
	json             bool
}

func (l lines) show(d *kept) error {
	if l.json {
		return printJSON(l.output, d.text)
	}
	cells := d.cells(time.RFC3339Nano)
	_, err := fmt.Fprintf(l.output, "%s\t%s\n", strings.Join(cells[:], "\t"), plain(d.Hint))
	return err
}

func (l lines) tell(text string) { _, _ = fmt.Fprintln(l.progress, plain(text)) } // what matters goes to output
