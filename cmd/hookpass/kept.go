package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
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
