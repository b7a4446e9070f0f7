package caddymodule

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/hookpass/hookpass/catalog"
)

// parseGlobalOption reads the global option:
//
//	webhooks {
//		dedup memory {
//			capacity <number>
//			journal <directory> {
//				fsync interval | always | never
//			}
//		}
//		dedup redis <url>... {
//			username | password | sentinel | prefix <text>
//			cluster
//			tls_ca | tls_certificate | tls_key <file>
//			timeout | lease <duration>
//			on_error local | reject
//			capacity <number>
//		}
//		delivery_log {
//			output <writer> ...
//			format json | text
//		}
//		providers <directory>
//		hints on | off
//		max_buffered <size>
//		recent {
//			capacity <number>
//			bodies on | off
//			redact <path>...
//		}
//		health <address> {
//			application <address>...
//		}
//	}
func parseGlobalOption(tokens *caddyfile.Dispenser, existing any) (any, error) {
	d := newDirective(tokens)
	if existing != nil {
		return nil, d.Err("webhooks is given twice: put all of it into one block")
	}
	if d.NextArg() {
		return nil, d.Err("webhooks takes no argument: put its settings into a block")
	}
	app := new(App)
	for d.NextBlock(0) {
		word, err := d.enter("", []string{"dedup", "delivery_log", "providers", "hints", "max_buffered", "recent", "health"})
		if err != nil {
			return nil, err
		}
		switch word {
		case "dedup":
			err = d.store(app)
		case "delivery_log":
			err = d.deliveryLog(app)
		case "providers":
			err = d.providers(app)
		case "hints":
			err = d.hints(app)
		case "max_buffered":
			err = d.size(&app.MaxBuffered, "max_buffered 256MiB")
		case "recent":
			err = d.recent(app)
		case "health":
			err = d.health(app)
		}
		if err != nil {
			return nil, err
		}
	}
	return httpcaddyfile.App{Name: appName, Value: caddyconfig.JSON(app, nil)}, nil
}

// providers reads the files already here, so that the error about one tells the
// line of the Caddyfile, too.
func (d *directive) providers(app *App) (err error) {
	if app.Providers, err = d.argument("providers /etc/hookpass/providers"); err != nil {
		return err
	}
	catalogue, err := app.openCatalogue()
	if err != nil {
		return d.WrapErr(err)
	}
	app.ProvidersDigest = catalogue.Digest()
	return nil
}

func (d *directive) hints(app *App) (err error) {
	if app.Hints, err = d.argument("hints off"); err != nil {
		return err
	}
	if !slices.Contains(hintsWords, app.Hints) {
		return d.unknown("hints", app.Hints, hintsWords)
	}
	return nil
}

// catalogueOf returns the providers that the global option allows; it is nil if
// the Caddyfile has none.
func catalogueOf(option any) (catalog.Catalogue, error) {
	var app App
	if option, given := option.(httpcaddyfile.App); given {
		if err := json.Unmarshal(option.Value, &app); err != nil {
			return catalog.Catalogue{}, err
		}
	}
	return app.openCatalogue()
}

func (d *directive) store(app *App) error {
	if !d.NextArg() {
		return d.wants("dedup memory")
	}
	switch store := d.Val(); store {
	case "memory":
		return d.memory(app)
	case "redis":
		return d.redis(app)
	default:
		return d.unknown("store", store, []string{"memory", "redis"})
	}
}

func (d *directive) memory(app *App) error {
	if d.NextArg() {
		return d.wants("dedup memory")
	}
	memory := new(MemoryStore)
	app.Dedup = &DedupStore{Memory: memory}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word, err := d.enter("dedup", []string{"capacity", "journal"})
		switch {
		case err != nil:
		case word == "capacity":
			err = d.positive(&memory.Capacity, "capacity 1000000")
		default:
			err = d.journal(memory)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *directive) journal(memory *MemoryStore) (err error) {
	memory.Journal = new(Journal)
	if memory.Journal.Dir, err = d.argument("journal /var/lib/hookpass/dedup"); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if _, err := d.enter("dedup journal", []string{"fsync"}); err != nil {
			return err
		}
		if memory.Journal.Fsync, err = d.argument("fsync interval"); err != nil {
			return err
		}
		if !slices.Contains(fsyncs, memory.Journal.Fsync) {
			return d.unknown("fsync", memory.Journal.Fsync, fsyncs)
		}
	}
	return nil
}

func (d *directive) deliveryLog(app *App) error {
	if d.NextArg() {
		return d.Err("delivery_log takes no argument: write output into its block, such as output stdout")
	}
	app.DeliveryLog = new(DeliveryLog)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word, err := d.enter("delivery_log", []string{"output", "format"})
		if err != nil {
			return err
		}
		if word == "format" {
			if app.DeliveryLog.Format, err = d.argument("format text"); err != nil {
				return err
			}
			if !slices.Contains(formats, app.DeliveryLog.Format) {
				return d.unknown("format", app.DeliveryLog.Format, formats)
			}
			continue
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
		return d.errAt("delivery_log", errors.New("delivery_log has no output: write one into its block, such as output stdout"))
	}
	return nil
}

const writers = "caddy.logging.writers"

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
		if known := writerNames(); !slices.Contains(known, name) {
			return nil, d.unknown("log writer", name, known)
		}
		module, err := caddyfile.UnmarshalModule(d.Dispenser, writers+"."+name)
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

// writerNames are the log writers that this build of Caddy has.
func writerNames() []string {
	var names []string
	for _, module := range caddy.GetModules(writers) {
		names = append(names, module.ID.Name())
	}
	return names
}
