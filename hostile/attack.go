package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// theme is some attacks of a kind.
type theme struct {
	name    string
	attacks []attack
}

// attack is one hostile request, and what must come of it. One of text, frames and
// pieces says what is sent.
type attack struct {
	name  string
	site  string // default: the open one
	to    string // the endpoint; default: saltare
	body  string // that is signed; default: the endpoint's
	stamp string // in place of the time, see letter

	text   string  // HTTP/1.1, see http1
	then   ending  // what follows the text
	frames []frame // HTTP/2
	pieces []piece // HTTP/3

	// What is answered: statuses with blanks between, or "closed", where the protocol
	// has it also "reset" or "goaway"; where the moment decides, with "|" between.
	want string

	// Unless the first answer is 200 the application may have seen nothing, and
	// else as many deliveries as there are 200s, with exactly the bytes that
	// were signed, and only our own fields.
	maybe     bool    // whatever the answer is, one may have passed
	withheld  int     // of the 200s, those that are hookpass's own
	id, event *string // of a delivery that says otherwise what they are
	verified  string  // in monitor mode: none
}

// outcome is what came of an attack.
type outcome struct {
	theme    string
	attack   *attack
	answer   string
	passed   int // deliveries at the application
	problems []string
	crash    string
	leak     string
}

// lab is hookpass, what it protects, and those who send.
type lab struct {
	crowd       crowd
	hookpass    *hookpass
	application *application
	rest        vitals // with nothing to do
}

func newLab(ctx context.Context, dir string) (*lab, error) {
	l := new(lab)
	err := os.Mkdir(dir, 0o700)
	if err != nil {
		return nil, err
	}
	if l.crowd, err = newCrowd(dir); err != nil {
		return nil, err
	}
	if l.application, err = startApplication(ctx); err != nil {
		return nil, err
	}
	if l.hookpass, err = startHookpass(ctx, dir, l.crowd, l.application.address); err != nil {
		l.application.stop()
		return nil, err
	}
	if err = l.warmUp(ctx); err != nil {
		l.stop()
		return nil, err
	}
	return l, nil
}

func (l *lab) stop() {
	l.hookpass.stop()
	l.application.stop()
}

// warmUp sends one delivery to every endpoint, so that what is kept from then on
// is there, such as a connection to the application, and then looks how much
// hookpass needs when it rests.
func (l *lab) warmUp(ctx context.Context) error {
	for _, s := range []*site{l.hookpass.open, l.hookpass.tls} {
		for _, e := range l.crowd.at(s) {
			if e.forged {
				continue
			}
			if _, err := l.genuine(ctx, s, e); err != nil {
				return err
			}
		}
	}
	// What is there for a protocol stays.
	for _, a := range []attack{{site: "tls", frames: whole(genuineHead)}, {site: "tls", pieces: wholly(genuineHead)}} {
		letter, err := l.crowd[0].letter(l.hookpass.tls, "", "")
		if err != nil {
			return err
		}
		send := letter.sendHTTP2
		if a.pieces != nil {
			send = letter.sendHTTP3
		}
		if answer, err := send(ctx, &a); err != nil || answer != "200" {
			return fmt.Errorf("a genuine delivery: answered %s, %w", answer, err)
		}
	}
	if _, _, err := l.application.take(); err != nil {
		return err
	}
	var err error
	for same := 0; same < 20; {
		before := l.rest
		if l.rest, err = l.hookpass.vitals(ctx); err != nil {
			return err
		}
		if l.rest.goroutines == before.goroutines {
			same++
		} else {
			same = 0
		}
	}
	return nil
}

// genuine makes sure that a delivery of the provider's passes.
func (l *lab) genuine(ctx context.Context, s *site, e *endpoint) (letter, error) {
	letter, err := e.letter(s, "", "")
	if err != nil {
		return letter, err
	}
	status, err := s.genuinely(ctx, letter)
	if err == nil && status != 200 {
		err = fmt.Errorf("answered %d", status)
	}
	if err != nil {
		err = fmt.Errorf("a genuine delivery to %s at %s: %w", e.name, s.name, err)
	}
	return letter, err
}

func (l *lab) siteNamed(name string) *site {
	sites := l.hookpass.sites()
	return sites[max(0, slices.IndexFunc(sites, func(s *site) bool { return s.name == name }))]
}

// try attacks, sees that a genuine delivery passes still, and judges.
func (l *lab) try(ctx context.Context, a *attack) (o outcome, err error) {
	o.attack = a
	s, e := l.siteNamed(a.site), l.crowd[0]
	if a.to != "" {
		e = l.crowd.named(a.to)
	}
	letter, err := e.letter(s, a.body, a.stamp)
	if err != nil {
		return o, err
	}
	send := letter.sendHTTP1
	switch {
	case a.frames != nil:
		send = letter.sendHTTP2
	case a.pieces != nil:
		send = letter.sendHTTP3
	}
	if o.answer, err = send(ctx, a); err != nil {
		return o, err
	}
	if o.strange() {
		o.problem("answered %q, want %q", o.answer, a.want)
	}
	if e.forged {
		e = l.crowd[0]
	}
	if s == l.hookpass.brief {
		s = l.hookpass.open // has the patience for a machine that is busy
	}
	after, err := l.genuine(ctx, s, e)
	if err != nil {
		o.problem("afterwards, %v", err)
	}
	left, leaks, err := l.hookpass.settle(ctx, l.rest)
	if o.crash = l.hookpass.crashed(); o.crash != "" {
		o.problem("%s", o.crash)
		l.hookpass.output.Reset()
		if l.hookpass.alive() {
			return o, nil
		}
	}
	if err != nil {
		return o, err
	}
	if leaks {
		o.leak = fmt.Sprintf("left are %v; at rest there were %v", left, l.rest)
		o.problem("%s", o.leak)
		l.rest = left // the next is not to blame
	}
	l.judge(&o, letter, after)
	return o, nil
}

// strange reports whether the answer is none of those wanted.
func (o *outcome) strange() bool {
	return !slices.Contains(strings.Split(o.attack.want, "|"), o.answer)
}

// due is how many deliveries were to pass.
func (o *outcome) due() int {
	want := o.answer
	if o.strange() {
		want, _, _ = strings.Cut(o.attack.want, "|")
	}
	return strings.Count(want, "200") - o.attack.withheld
}

func (o *outcome) problem(format string, args ...any) {
	o.problems = append(o.problems, fmt.Sprintf(format, args...))
}

// judge looks at what the application saw: what was to pass, beside the genuine
// delivery after it.
func (l *lab) judge(o *outcome, sent, after letter) {
	arrived, heads, err := l.application.take()
	if err != nil {
		o.problem("%v", err)
	}
	arrived = slices.DeleteFunc(arrived, func(r seen) bool { return r.body == after.body })
	heads = slices.DeleteFunc(heads, func(head string) bool { return strings.Contains(head+"\r\n", ": "+after.id+"\r\n") })
	passed := max(o.due(), 0)
	o.passed = len(arrived)
	if o.attack.maybe {
		passed = min(o.passed, 1)
	}
	if o.passed != passed {
		o.problem("the application saw %d requests, %d were to pass: %q", o.passed, passed, arrived)
		return
	}
	if o.attack.event != nil {
		sent.event = sent.fill(*o.attack.event)
	}
	if o.attack.id != nil {
		sent.id = sent.fill(*o.attack.id)
	}
	own := sent.own()
	if o.attack.verified != "" {
		own = map[string][]string{"hookpass-provider": own["hookpass-provider"], "hookpass-endpoint": own["hookpass-endpoint"], "hookpass-verified": {o.attack.verified}}
	}
	for i, r := range arrived[:passed] {
		if r.body != sent.body {
			o.problem("the application got the body %.200q, not %.200q", r.body, sent.body)
		}
		if r.method != "POST" || len(r.trailer) > 0 || len(r.coding) > 0 && o.attack.verified == "" {
			o.problem("the application saw %s, trailers %v, coding %v", r.method, r.trailer, r.coding)
		}
		if i < len(heads) {
			if got := ownFields(heads[i]); !reflect.DeepEqual(got, own) {
				o.problem("the application was told %v, not %v", got, own)
			}
		}
	}
}

// lanes is how many labs there are at once: some requests take time, and no work.
const lanes = 4

// run tries all attacks, and tells of each in the order in which they stand.
func run(ctx context.Context, dir string, themes []theme, tell func(outcome)) error {
	type task struct {
		theme  string
		attack *attack
		done   chan outcome
	}
	var all []task
	for _, t := range themes {
		for i := range t.attacks {
			all = append(all, task{t.name, &t.attacks[i], make(chan outcome, 1)})
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	defer group.Wait()
	var next atomic.Int64
	for lane := range lanes {
		group.Go(func() {
			l, err := newLab(ctx, filepath.Join(dir, strconv.Itoa(lane)))
			if err != nil {
				cancel(err)
				return
			}
			defer l.stop()
			for i := next.Add(1) - 1; i < int64(len(all)); i = next.Add(1) - 1 {
				o, err := l.try(ctx, all[i].attack)
				if err != nil {
					cancel(fmt.Errorf("%s: %s: %w", all[i].theme, all[i].attack.name, err))
					return
				}
				o.theme = all[i].theme
				all[i].done <- o
			}
		})
	}
	for _, t := range all {
		select {
		case o := <-t.done:
			tell(o)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
