package delivery_test

import (
	"io"
	"testing"
	"time"

	"github.com/hookpass/hookpass/delivery"
)

func BenchmarkWrite(b *testing.B) {
	record := delivery.Record{
		Time:           time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Endpoint:       "stripe",
		Provider:       "stripe",
		DeliveryID:     "evt_1MqqbKLt4dXK03v5qaIbiNCC",
		Event:          "customer.subscription.updated",
		Verdict:        delivery.VerdictForwarded,
		Mode:           delivery.ModeEnforce,
		Secret:         "current",
		TimestampAge:   420 * time.Millisecond,
		TimestampKnown: true,
		BodyBytes:      2048,
		Verify:         4 * time.Microsecond,
		Forward:        12 * time.Millisecond,
		Status:         200,
		Remote:         "192.0.2.1:4711",
		RequestID:      "0d5a2ad0-9d5e-4a07-8d0c-6f3ed4f2a1b7",
	}
	b.Run("alone", func(b *testing.B) {
		log := delivery.NewLog(io.Discard, 4096)
		b.ReportAllocs()
		for b.Loop() {
			log.Write(record)
		}
		log.Close()
		b.ReportMetric(float64(log.Dropped())/float64(b.N), "dropped/op")
	})
	b.Run("parallel", func(b *testing.B) {
		log := delivery.NewLog(io.Discard, 4096)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				log.Write(record)
			}
		})
		log.Close()
		b.ReportMetric(float64(log.Dropped())/float64(b.N), "dropped/op")
	})
	b.Run("writer stuck", func(b *testing.B) {
		w := newStuckWriter()
		log := delivery.NewLog(w, 4096)
		b.ReportAllocs()
		for b.Loop() {
			log.Write(record)
		}
		close(w.release)
		log.Close()
	})
}
