package caddymodule

import (
	"io"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/rs/zerolog"

	"github.com/hookpass/hookpass/delivery"
)

// logQueue is how many lines may wait for the writer: a few seconds of a slow
// disk at the rate of a busy process.
const logQueue = 4096

// openLog takes hold of the delivery log. Logs are told apart by their whole
// configuration, so that a changed option takes effect on a reload.
func (a *App) openLog(ctx caddy.Context) error {
	var writer caddy.WriterOpener = caddy.StderrWriter{}
	if a.DeliveryLog != nil && a.DeliveryLog.WriterRaw != nil {
		key := string(a.DeliveryLog.WriterRaw)
		module, err := ctx.LoadModule(a.DeliveryLog, "WriterRaw")
		if err != nil {
			return err
		}
		writer, a.logKey = module.(caddy.WriterOpener), key
	}
	readable := a.DeliveryLog != nil && a.DeliveryLog.Format == formatText
	if readable {
		a.logKey += formatText
	}
	value, _, err := logs.LoadOrNew(a.logKey, func() (caddy.Destructor, error) {
		w, err := writer.OpenWriter()
		if err != nil {
			return nil, err
		}
		var lines io.Writer = &wholeLines{Writer: w}
		if readable {
			lines = inText(lines)
		}
		return &logInUse{delivery.NewLog(lines, logQueue), w}, nil
	})
	if err != nil {
		return err
	}
	a.log = value.(*logInUse).Log
	return nil
}

const (
	formatJSON = "json"
	formatText = "text"
)

var formats = []string{formatJSON, formatText}

// inText rewrites lines for people. What a sender chose is quoted where a terminal
// could take it for a command.
func inText(w io.Writer) io.Writer {
	return zerolog.ConsoleWriter{
		Out: w, NoColor: true, TimeFormat: time.RFC3339,
		PartsOrder:    []string{zerolog.TimestampFieldName, "verdict", "endpoint"},
		FieldsExclude: []string{"verdict", "endpoint"},
	}
}

// wholeLines ends a line that broke off, as on a disk that was full: else it would
// take the next one with it.
type wholeLines struct {
	io.Writer
	torn bool
}

func (w *wholeLines) Write(line []byte) (int, error) {
	if w.torn {
		if _, err := io.WriteString(w.Writer, "\n"); err != nil {
			return 0, err
		}
	}
	n, err := w.Writer.Write(line)
	w.torn = err != nil && n > 0
	return n, err
}

type logInUse struct {
	*delivery.Log
	writer io.Closer
}

// Destruct writes what is queued and closes the writer.
func (l *logInUse) Destruct() error {
	l.Close()
	return l.writer.Close()
}
