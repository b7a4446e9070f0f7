package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hookpass/hookpass/caddymodule"
	"github.com/hookpass/hookpass/delivery"
)

// kept is a delivery of which the running process tells, with what is shown of it.
type kept struct {
	Number     uint64           `json:"number"`
	Time       time.Time        `json:"time"`
	Endpoint   string           `json:"endpoint"`
	DeliveryID string           `json:"delivery_id"`
	Event      string           `json:"event"`
	Verdict    delivery.Verdict `json:"verdict"`
	Reason     delivery.Reason  `json:"reason"`
	Mode       delivery.Mode    `json:"mode"`
	Replayed   string           `json:"replayed"`
	Status     int              `json:"status"`
	ForwardMS  *int64           `json:"forward_ms"`
	Hint       string           `json:"hint"`
	Method     string           `json:"method"`
	Path       string           `json:"path"`

	text json.RawMessage
}

// UnmarshalJSON keeps the text, too.
func (k *kept) UnmarshalJSON(text []byte) error {
	type fields kept
	if err := json.Unmarshal(text, (*fields)(k)); err != nil {
		return fmt.Errorf("it is no delivery: %w", err)
	}
	k.text = append(json.RawMessage(nil), text...)
	return nil
}

// kept returns deliveries, the newest first.
func (a *adminFlag) kept(ctx context.Context, query url.Values) ([]kept, error) {
	var found struct {
		Deliveries []kept `json:"deliveries"`
	}
	err := a.ask(ctx, http.MethodGet, caddymodule.DeliveriesPath, query, &found)
	return found.Deliveries, err
}

// find returns the delivery that is kept with a number, else the newest one with an id
// of its provider's.
func (a *adminFlag) find(ctx context.Context, text string) (*kept, error) {
	if number, err := strconv.ParseUint(text, 10, 64); err == nil {
		d := &kept{Number: number}
		err := a.ask(ctx, http.MethodGet, d.at(""), nil, d)
		var refused *adminError
		if !errors.As(err, &refused) || refused.status != http.StatusNotFound {
			return d, err
		}
	}
	found, err := a.kept(ctx, url.Values{"delivery_id": {text}, "limit": {"1"}})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no delivery is kept that has the number or the id %q: hookpass tail --last 20 shows the newest", text)
	}
	return &found[0], nil
}

// at is where the admin API tells of it, or does something with it.
func (k *kept) at(what string) string {
	return strings.TrimSuffix(fmt.Sprintf("%s/%d/%s", caddymodule.DeliveriesPath, k.Number, what), "/")
}

// named says which one it is.
func (k *kept) named() string {
	of := k.Endpoint
	if k.DeliveryID != "" {
		of = k.DeliveryID + " of " + of
	}
	return fmt.Sprintf("delivery %d (%s, %s)", k.Number, plain(of), k.became())
}

// became is what became of it.
func (k *kept) became() string {
	text := string(k.Verdict)
	if k.Reason != "" {
		text += " " + string(k.Reason)
	}
	if k.Mode == delivery.ModeMonitor {
		text += " (monitor)"
	}
	if k.Replayed != "" {
		text += " (replayed)"
	}
	return plain(text)
}

// The columns in which a delivery is shown.
const (
	columnNumber = iota
	columnTime
	columnEndpoint
	columnVerdict
	columnEvent
	columnID
	columnStatus
	columnForward
	columns
)

func (k *kept) cells(layout string) (cells [columns]string) {
	cells = [columns]string{
		columnNumber: strconv.FormatUint(k.Number, 10), columnTime: k.Time.UTC().Format(layout),
		columnEndpoint: plain(k.Endpoint), columnVerdict: k.became(), columnEvent: plain(k.Event), columnID: plain(k.DeliveryID),
	}
	if k.Status != 0 {
		cells[columnStatus] = strconv.Itoa(k.Status)
	}
	if k.ForwardMS != nil {
		cells[columnForward] = strconv.FormatInt(*k.ForwardMS, 10) + "ms"
	}
	return cells
}
