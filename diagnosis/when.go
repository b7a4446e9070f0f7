package diagnosis

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hookpass/hookpass/webhook"
)

// time explains a delivery whose signature is right.
func (s *search) time() (Finding, bool) {
	genuine := Finding{Cause: Genuine, Proven: true, Sentence: "The delivery is genuine: nothing is wrong with it."}
	if s.delivery.HeadOnly {
		genuine = Finding{Cause: Unknown, Sentence: "The head of the request is as it should be; its body was not looked into.", Remedy: "Diagnose the whole request."}
	}
	if s.endpoint.Tolerance == 0 {
		return genuine, true
	}
	p := newProver(s.endpoint, s.endpoint.Scheme, s.endpoint.Tolerance, asConfigured(s.endpoint.Secrets, s.endpoint.Scheme.Key))
	if p == nil {
		return genuine, true
	}
	verify := p.verifier.Verify
	if s.delivery.HeadOnly {
		verify = p.verifier.VerifyHeader
	}
	d, err := verify(&s.delivery.Request, s.delivery.Received)
	if !errors.Is(err, webhook.ErrTimestampTooOld) && !errors.Is(err, webhook.ErrTimestampTooNew) {
		return genuine, true
	}
	if f, found := s.unit(err); found {
		return f, true
	}
	return s.aged(s.delivery.Received.Sub(d.Timestamp)), true
}

// units are how timestamps are written.
var units = []struct{ word, name string }{
	{"milliseconds", "milliseconds"}, {"seconds", "seconds"}, {"rfc3339", "an RFC 3339 date"}, {"utc", "a date without an offset"}, {"http", "a date as in HTTP"},
}

// unit reads the timestamp in other units.
func (s *search) unit(err error) (Finding, bool) {
	wrong := errors.Is(err, webhook.ErrTimestampMalformed) || errors.Is(err, webhook.ErrTimestampTooNew) || errors.Is(err, webhook.ErrTimestampTooOld)
	words := strings.Fields(s.endpoint.Scheme.Timestamp)
	if !wrong || s.endpoint.Scheme.Timestamp == "" && !strings.Contains(s.endpoint.Scheme.Signature, "{timestamp}") {
		return Finding{}, false
	}
	place, configured := "signature", "seconds"
	switch {
	case len(words) > 0 && words[0] == "signature":
		if len(words) > 1 {
			configured = words[1]
		}
	case len(words) > 1:
		place = words[0] + " " + words[1]
		if len(words) > 2 {
			configured = words[2]
		}
	}
	for _, unit := range units {
		if unit.word == configured {
			continue
		}
		other := s.endpoint.Scheme
		other.Timestamp = place + " " + unit.word
		// Seconds can be read as milliseconds: the unit is the one in which the
		// delivery is fresh. No other units can be mixed up.
		tolerance := max(s.endpoint.Tolerance, webhook.DefaultTolerance)
		if errors.Is(err, webhook.ErrTimestampMalformed) {
			tolerance = 0
		}
		p := newProver(s.endpoint, other, tolerance, asConfigured(s.endpoint.Secrets, other.Key))
		if _, err := s.matched(p, &s.delivery.Request); err != nil {
			continue
		}
		x := explanation{TimestampUnit, fmt.Sprintf("The timestamp is %s, and the scheme takes it for %s.", unit.name, configured), fmt.Sprintf("Write timestamp %s %s in the scheme; if it is a provider's, report it.", place, unit.word)}
		if s.complete() {
			return x.proven(), true
		}
		return x.seen(), true
	}
	return Finding{}, false
}

// clockOff is how far all senders' timestamps must be away for the clock here to be
// the wrong one.
const clockOff = 30 * time.Second

// aged explains a delivery that is not fresh. A positive age is one of the past.
func (s *search) aged(age time.Duration) Finding {
	f := Finding{Cause: TooOld, Proven: !s.delivery.HeadOnly}
	round := func(d time.Duration) time.Duration { return d.Round(time.Second) }
	allowed := s.endpoint.Tolerance
	if age < 0 {
		f.Cause, allowed = TooNew, min(allowed, webhook.MaxFuture)
	}
	beyond := age.Abs() - allowed
	if f.Cause == TooNew {
		f.Sentence = fmt.Sprintf("The delivery was signed %s after it arrived, %s more than is allowed.", round(-age), round(beyond))
		f.Remedy = "Correct the sender's clock."
	} else {
		f.Sentence = fmt.Sprintf("The delivery was signed %s before it arrived, %s more than the tolerance of %s.", round(age), round(beyond), allowed)
		f.Remedy = "If something holds deliveries back, or retries carry the first attempt's timestamp, raise tolerance; if somebody has sent it again, all is well."
	}
	if f.Proven {
		f.Sentence += " Its signature is right."
	} else {
		f.Sentence += " Whether it is genuine was not looked into."
	}
	others := s.otherAges()
	if len(others) == 0 {
		return f
	}
	slices.Sort(others)
	median := others[len(others)/2]
	least, most := others[0], others[len(others)-1]
	switch {
	case age > 0 && least > clockOff, age < 0 && most < -clockOff:
		f.Cause = ClockOff
		ahead := "ahead"
		if median < 0 {
			ahead = "behind"
		}
		f.Sentence = fmt.Sprintf("The clock here is about %s %s: the deliveries of all senders look that far away.", round(median.Abs()), ahead)
		f.Remedy = "Set the clock of this host right, and keep it right with NTP."
	case least.Abs() <= clockOff && most.Abs() <= clockOff:
		f.Sentence += " The clock here is right, as deliveries of other senders are fresh."
	}
	return f
}

func (s *search) otherAges() []time.Duration {
	var ages []time.Duration
	for name, age := range s.process.Ages {
		if name != s.endpoint.Name {
			ages = append(ages, age)
		}
	}
	return ages
}
