package main

import (
	"math"
	"testing"
	"time"
)

func TestGarbagePilesUpOnlyInAHurry(t *testing.T) {
	const mb = 1 << 20
	for name, tt := range map[string]struct {
		sinceLast time.Duration
		live      uint64
		limit     int64
		want      int
	}{
		"at rest":                        {time.Minute, 10 * mb, math.MaxInt64, 100},
		"busy, small heap":               {100 * time.Millisecond, 16 * mb, math.MaxInt64, 400},
		"busy, tiny heap":                {100 * time.Millisecond, 1 * mb, math.MaxInt64, 1000},
		"busy, a million ids":            {100 * time.Millisecond, 250 * mb, math.MaxInt64, 100},
		"busy, in a container of 128 MB": {100 * time.Millisecond, 8 * mb, 128 * mb, 200},
		"nothing known":                  {0, 0, math.MaxInt64, 100},
	} {
		t.Run(name, func(t *testing.T) {
			if got := gcPercent(tt.sinceLast, tt.live, tt.limit); got != tt.want {
				t.Errorf("%d %%, want %d %%", got, tt.want)
			}
		})
	}
}
