package caddymodule

import (
	"io"

	"github.com/caddyserver/caddy/v2"

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
	value, _, err := logs.LoadOrNew(a.logKey, func() (caddy.Destructor, error) {
		w, err := writer.OpenWriter()
		if err != nil {
			return nil, err
		}
		return &logInUse{delivery.NewLog(w, logQueue), w}, nil
	})
	if err != nil {
		return err
	}
	a.log = value.(*logInUse).Log
	return nil
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
