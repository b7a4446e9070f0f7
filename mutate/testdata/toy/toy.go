// Package toy holds something for each way in which code is changed.
package toy

import (
	"errors"
	"time"
)

const most = 10 - 1

var strict = func() bool { return true }()

var ErrNone = errors.New("none")

type box struct{ n int }

func (b *box) Put(n int) error {
	if n < 1 || n > most {
		return ErrNone
	}
	b.n = n
	return nil
}

func Both(a, b bool) bool {
	return a && !b
}

func Take(names []string, n int) ([]string, time.Duration, error) {
	if n >= len(names) && strict {
		return nil, 0, ErrNone
	}
	return names[:n], time.Duration(n), nil
}

func Sum(numbers ...int) (total int) {
	for _, n := range numbers {
		if n == 0 {
			continue
		}
		total += n
	}
	return total
}

func Kind(n int) string {
	switch {
	case n-1 <= 0:
		return "small"
	default:
		return "large"
	}
}

func Least(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func New() interface{ Put(n int) error } { return &box{} }
