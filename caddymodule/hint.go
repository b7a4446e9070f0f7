package caddymodule

import (
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/hookpass/hookpass/delivery"
	"github.com/hookpass/hookpass/diagnosis"
	"github.com/hookpass/hookpass/webhook"
)

// hintsPerSecond is how many rejected deliveries of an endpoint are looked into: a
// diagnosis takes some hundred times what a refusal does.
var hintsPerSecond = 2

// hintBudget is the process's, so that a reload saves nothing up anew. To refuse a
// thousand deliveries a second takes ten times as much.
var hintBudget = &diagnosis.Budget{PerSecond: 5 * time.Millisecond, Most: 200 * time.Millisecond}

const hintsOff = "off"

var hintsWords = []string{"on", hintsOff}

const (
	// hintQueue is how many deliveries may wait to be looked into, with their bodies.
	hintQueue = 8

	// longestDiagnosed is the largest body that is looked into, in bytes: of a larger
	// one next to no variants could be tried.
	longestDiagnosed = 1 << 20

	// recentAge is for how long a delivery tells of its sender's clock, and ours.
	recentAge = time.Hour
)

// hints finds out why deliveries were rejected, one at a time and beside the way of
// requests, and then writes their lines of the log. The sender learns nothing of it,
// and does not wait for it.
type hints struct {
	app     *App
	off     bool
	limiter diagnosis.Limiter
	budget  *diagnosis.Budget
	keep    diagnosis.Limiter // of the other rejected ones, which are kept as they are

	keepPassed diagnosis.Limiter // of those that were not rejected
	queue      chan suspect
	ended      chan struct{}
}

// suspect is a rejected delivery. Its body is held until it has been looked into.
type suspect struct {
	record   delivery.Record
	delivery diagnosis.Delivery
	masked   map[string]bool
	whole    *delivery.Whole
	body     body
}

func newHints(a *App) *hints {
	h := &hints{
		app: a, off: a.Hints == hintsOff, limiter: diagnosis.Limiter{PerSecond: hintsPerSecond}, budget: hintBudget,
		keep:       diagnosis.Limiter{PerSecond: keptPerSecond},
		keepPassed: diagnosis.Limiter{PerSecond: passedPerSecond},
		queue:      make(chan suspect, hintQueue), ended: make(chan struct{}),
	}
	go func() {
		defer close(h.ended)
		for s := range h.queue {
			h.look(s)
		}
	}()
	return h
}

// close looks into what is queued. Nobody may offer anything any more.
func (h *hints) close() {
	close(h.queue)
	<-h.ended
}

// offer takes over the exchange's body and its line of the log, unless too many
// have come to be looked into.
func (h *hints) offer(x *exchange) bool {
	if h.off || !x.entered || !diagnosable(x.record.Reason) || x.body.size > longestDiagnosed ||
		buffers.used.Load() > buffers.limit.Load()/2 || // verifying has the first call on memory
		len(h.queue) == cap(h.queue) || !h.limiter.Allow(x.record.Endpoint, x.arrived) || !h.budget.Allow(x.record.Endpoint, x.arrived) {
		return false
	}
	s := suspect{x.record, diagnosis.Delivery{
		Request: x.request, Received: x.arrived, HeadOnly: x.headOnly(),
	}, x.h.masked, x.whole, x.body}
	s.delivery.Request.Header = x.request.Header.Clone() // the rest of Caddy may still have a use for it
	select {
	case h.queue <- s:
		return true
	default:
		return false
	}
}

// diagnosable reports whether there is more to know of a reason than its name.
func diagnosable(r delivery.Reason) bool {
	switch r {
	case delivery.ReasonSignatureMissing, delivery.ReasonSignatureMalformed, delivery.ReasonSignatureMismatch,
		delivery.ReasonTimestampMissing, delivery.ReasonTimestampMalformed, delivery.ReasonTimestampTooOld, delivery.ReasonTimestampTooNew,
		delivery.ReasonKeyUnavailable, delivery.ReasonClaimsInvalid:
		return true
	default:
		return false
	}
}

func (h *hints) look(s suspect) {
	defer func() {
		if fault := recover(); fault != nil {
			caddy.Log().Named(appName).Error("a rejected delivery could not be looked into",
				zap.String("endpoint", s.record.Endpoint), zap.String("fault", fmt.Sprint(fault)))
		}
		h.app.log.Write(s.record)
		recents.Keep(&s.record, keepable(&s.delivery.Request, s.masked, s.whole, s.delivery.HeadOnly))
		s.body.release()
	}()
	began := time.Now()
	if !h.budget.Allow(s.record.Endpoint, began) { // those before it in the queue took it all
		return
	}
	defer func() { h.budget.Spend(s.record.Endpoint, time.Since(began), time.Now()) }()
	endpoint, process := h.app.described(s.record.Endpoint, s.delivery.Received)
	f := diagnosis.Diagnose(diagnosis.DefaultLimits, s.delivery, endpoint, process)
	s.record.Hint = strings.TrimSpace(fmt.Sprintf("%s: %s %s", f.Cause, f.Sentence, f.Remedy))
}

// described returns the endpoint as a diagnosis sees it, and what else it may
// compare a delivery with that arrived at the given time.
func (a *App) described(name string, now time.Time) (diagnosis.Endpoint, diagnosis.Process) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := diagnosis.Process{Ages: map[string]time.Duration{}}
	for other, e := range a.endpoints {
		if other != name {
			p.Others = append(p.Others, e.described())
		}
		newest, age := e.meters.newest.Load(), e.meters.age.Load()
		if newest != never && age != never && now.Sub(time.Unix(0, newest)) < recentAge {
			p.Ages[other] = time.Duration(age)
		}
	}
	return a.endpoints[name].described(), p
}

// describe is the endpoint as a diagnosis sees it.
func (h *VerifyWebhook) describe(secrets []diagnosis.Secret, with map[string]string) diagnosis.Endpoint {
	s := &h.settings
	e := diagnosis.Endpoint{
		Name: s.name, Scheme: s.scheme, Secrets: secrets, Tolerance: s.tolerance,
		With: with, PublicURL: s.publicURL, Keys: webhook.KeySource(publishedKeys),
	}
	if h.Scheme == nil {
		e.Provider = s.provider
	}
	return e
}
