package caddymodule

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestTheSpanTellsWhatBecameOfADelivery(t *testing.T) {
	for name, test := range map[string]struct {
		event event
		want  map[string]string
	}{
		"forwarded": {
			event{body: `{"delivery_id":"1","event":"task.created` + "\xff" + `"}`},
			map[string]string{"verdict": "forwarded", "delivery_id": "1", "event": "task.created\ufffd", "secret": "1"},
		},
		"rejected": {
			event{secret: "guess"},
			map[string]string{"verdict": "rejected", "reason": "signature_mismatch"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, prepare := handlerAlone(t)
			spans := tracetest.NewSpanRecorder()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
			w, r := prepare(test.event)
			ctx, span := provider.Tracer("test").Start(r.Context(), "webhooks")
			if err := h.ServeHTTP(w, r.WithContext(ctx), handled); err != nil {
				t.Fatal(err)
			}
			span.End()

			got := map[string]string{}
			for _, a := range spans.Ended()[0].Attributes() {
				got[strings.TrimPrefix(string(a.Key), "hookpass.")] = a.Value.String()
			}
			if _, known := got["timestamp_age_ms"]; !known {
				t.Error("no timestamp_age_ms")
			}
			delete(got, "timestamp_age_ms")
			maps.Copy(test.want, map[string]string{"endpoint": "saltare", "provider": "saltare", "mode": "enforce"})
			if !maps.Equal(got, test.want) {
				t.Errorf("the span has %v, want %v", got, test.want)
			}
		})
	}
}

// The sender's own trace goes on, where Caddy traces.
func TestTheLogNamesTheTrace(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	app := newApplication(t)
	g := serve(t, app, "tracing {\n span webhooks\n}\n"+saltareSite)
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	g.send("/", event{id: "1", spoil: func(r *http.Request) {
		r.Header.Set("Traceparent", "00-"+id+"-00f067aa0ba902b7-01")
	}}).wants(t, 200, "handled")
	if line := g.lines()[0]; line["trace_id"] != id {
		t.Errorf("logged %v, want the trace %s", line, id)
	}
}

func TestWithoutATraceTheLogNamesNone(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	if id, there := g.lines()[0]["trace_id"]; there {
		t.Errorf("logged the trace %v", id)
	}
}
