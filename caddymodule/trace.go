package caddymodule

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// trace tells the span of the request, if it has one, what became of the delivery.
func (x *exchange) trace() {
	span := trace.SpanFromContext(x.r.Context())
	r := &x.record
	if id := span.SpanContext().TraceID(); id.IsValid() {
		r.TraceID = id.String()
	}
	if !span.IsRecording() {
		return
	}
	var attributes []attribute.KeyValue
	for _, a := range []struct{ name, text string }{
		{"endpoint", r.Endpoint},
		{"provider", r.Provider},
		{"verdict", string(r.Verdict)},
		{"reason", string(r.Reason)},
		{"mode", string(r.Mode)},
		{"replayed", string(r.Replayed)},
		{"event", r.Event},
		{"delivery_id", r.DeliveryID},
		{"secret", r.Secret},
	} {
		if a.text != "" {
			attributes = append(attributes, attribute.String("hookpass."+a.name, strings.ToValidUTF8(a.text, "\ufffd")))
		}
	}
	if r.TimestampKnown {
		attributes = append(attributes, attribute.Int64("hookpass.timestamp_age_ms", r.TimestampAge.Milliseconds()))
	}
	span.SetAttributes(attributes...)
}
