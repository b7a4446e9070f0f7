package caddymodule

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// parseGlobalOption reads the global option:
//
//	webhooks {
//		dedup memory {
//			capacity <number>
//		}
//		delivery_log {
//			output <writer> ...
//		}
//		max_buffered <size>
//	}
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		return nil, d.Err("webhooks is given twice: put all of it into one block")
	}
	app := new(App)
	p := &directive{Dispenser: d, at: map[string]caddyfile.Token{}}
	d.Next()
	if d.NextArg() {
		return nil, p.wants("webhooks { … }")
	}
	for d.NextBlock(0) {
		word := d.Val()
		err := p.once(word)
		if err == nil {
			switch word {
			case "dedup":
				err = p.store(app)
			case "delivery_log":
				err = p.deliveryLog(app)
			case "max_buffered":
				err = p.size(&app.MaxBuffered, "max_buffered 256MiB")
			default:
				err = p.unknown(word, []string{"dedup", "delivery_log", "max_buffered"})
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return httpcaddyfile.App{Name: appName, Value: caddyconfig.JSON(app, nil)}, nil
}

func (d *directive) store(app *App) error {
	if kind, err := d.argument("dedup memory"); err != nil || kind != "memory" {
		return d.Errf("unknown store: write dedup memory")
	}
	memory := new(MemoryStore)
	app.Dedup = &DedupStore{Memory: memory}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "capacity" {
			return d.unknown(d.Val(), []string{"capacity"})
		}
		if memory.Capacity != 0 {
			return d.Err("capacity is given twice: remove one")
		}
		text, err := d.argument("capacity 1000000")
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
		if err != nil || n < 1 {
			return d.Errf("capacity %q is no positive number: write capacity 1000000", text)
		}
		memory.Capacity = n
	}
	return nil
}

func (d *directive) deliveryLog(app *App) error {
	if d.NextArg() {
		return d.wants("delivery_log { output file /var/log/deliveries.log }")
	}
	app.DeliveryLog = new(DeliveryLog)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "output" {
			return d.unknown(d.Val(), []string{"output"})
		}
		if app.DeliveryLog.WriterRaw != nil {
			return d.Err("output is given twice: remove one")
		}
		if !d.NextArg() {
			return d.wants("output file /var/log/deliveries.log")
		}
		name := d.Val()
		writer, err := d.logWriter(name)
		if err != nil {
			return err
		}
		app.DeliveryLog.WriterRaw = caddyconfig.JSONModuleObject(writer, "output", name, nil)
	}
	if app.DeliveryLog.WriterRaw == nil {
		return d.Err("delivery_log has no output: write output stdout")
	}
	return nil
}

// logWriter reads a log writer as Caddy's own log option does. The three below
// cannot read themselves from a Caddyfile.
func (d *directive) logWriter(name string) (caddy.WriterOpener, error) {
	var writer caddy.WriterOpener
	switch name {
	case "stdout":
		writer = caddy.StdoutWriter{}
	case "stderr":
		writer = caddy.StderrWriter{}
	case "discard":
		writer = caddy.DiscardWriter{}
	default:
		module, err := caddyfile.UnmarshalModule(d.Dispenser, "caddy.logging.writers."+name)
		if err != nil {
			return nil, err
		}
		writer, ok := module.(caddy.WriterOpener)
		if !ok {
			return nil, d.Errf("%s is no log writer", name)
		}
		return writer, nil
	}
	if d.NextArg() {
		return nil, d.wants("output " + name)
	}
	return writer, nil
}
