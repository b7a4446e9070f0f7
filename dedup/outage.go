package dedup

import (
	"errors"
	"sync/atomic"
)

// errOutage stands for a command that was not sent.
var errOutage = errors.New("it did not answer lately and was not asked")

// outageAfter is how many commands in a row fail before Redis counts as out.
const outageAfter = 5

// outage knows whether to ask Redis at all. Each delivery would else wait for one
// that does not answer. The upkeep finds out when it is over.
type outage struct {
	failures atomic.Int32
	warn     func(msg string, cause error)
}

func (o *outage) known() bool { return o.failures.Load() >= outageAfter }

// note takes the result of a command.
func (o *outage) note(err error) {
	if err == nil {
		if n := o.failures.Load(); n > 0 && n < outageAfter {
			o.failures.CompareAndSwap(n, 0)
		}
	} else if o.failures.Add(1) == outageAfter {
		o.warn(outageBegins, err)
	}
}

// begin makes it an outage at once.
func (o *outage) begin(cause error) {
	if o.failures.Swap(outageAfter) < outageAfter {
		o.warn(outageBegins, cause)
	}
}

func (o *outage) end() {
	if o.failures.Swap(0) >= outageAfter {
		o.warn(outageEnds, nil)
	}
}

const (
	outageBegins = "Redis does not take claims: what it knows is not asked until it does"
	outageEnds   = "Redis takes claims again"
)
