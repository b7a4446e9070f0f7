package dedup

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// pair is a key and what it is to hold, for how long.
type pair struct {
	key, value string
	ttl        time.Duration
}

// server is what a Redis store needs of Redis. Each command is about one key, so
// that a cluster may keep it where it likes. One that returns an error may have
// been carried out nonetheless.
type server interface {
	// claim sets a key that is not there, and returns what it holds then.
	claim(ctx context.Context, e pair) (value string, err error)
	// set sets a key and returns what it held before.
	set(ctx context.Context, e pair) (before string, err error)
	// swap sets a key that holds value from, and deletes it if it is to hold "".
	swap(ctx context.Context, from string, e pair) error
	// setAll sets keys, and returns an error or nil for each.
	setAll(ctx context.Context, entries []pair) []error
	// get returns what a key holds, "" if it is not there.
	get(ctx context.Context, key string) (value string, err error)
	// note sets a field of a map, allNotes returns all of them, and unnote removes
	// some.
	note(ctx context.Context, key, field, value string) error
	allNotes(ctx context.Context, key string) (map[string]string, error)
	unnote(ctx context.Context, key string, fields []string) error
	// info returns the version of Redis and what it does when its memory is full.
	info(ctx context.Context) (version, policy string, err error)
	Close() error
}

// goRedis is the server of a running store.
type goRedis struct{ redis.UniversalClient }

func (s goRedis) claim(ctx context.Context, e pair) (string, error) {
	before, err := orNothing(s.Do(ctx, "SET", e.key, e.value, "NX", "GET", "PX", milliseconds(e.ttl)).Text())
	return cmp.Or(before, e.value), err
}

func (s goRedis) set(ctx context.Context, e pair) (string, error) {
	return orNothing(s.Do(ctx, "SET", e.key, e.value, "GET", "PX", milliseconds(e.ttl)).Text())
}

func (s goRedis) get(ctx context.Context, key string) (string, error) {
	return orNothing(s.Get(ctx, key).Result())
}

// orNothing takes the lack of a value for an empty one, which no key has.
func orNothing(value string, err error) (string, error) {
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return value, err
}

// Redis has commands that compare only from 8.4 on, Valkey has others.
var swapScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
	return 0
elseif ARGV[2] == '' then
	return redis.call('DEL', KEYS[1])
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
`)

func (s goRedis) swap(ctx context.Context, from string, e pair) error {
	return swapScript.Run(ctx, s, []string{e.key}, from, e.value, milliseconds(e.ttl)).Err()
}

func (s goRedis) setAll(ctx context.Context, entries []pair) []error {
	if len(entries) == 0 {
		return nil
	}
	commands, _ := s.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, e := range entries {
			p.Do(ctx, "SET", e.key, e.value, "PX", milliseconds(e.ttl))
		}
		return nil
	})
	errs := make([]error, len(entries))
	for i, c := range commands {
		errs[i] = c.Err()
	}
	return errs
}

func (s goRedis) note(ctx context.Context, key, field, value string) error {
	return s.HSet(ctx, key, field, value).Err()
}

func (s goRedis) allNotes(ctx context.Context, key string) (map[string]string, error) {
	return s.HGetAll(ctx, key).Result()
}

func (s goRedis) unnote(ctx context.Context, key string, fields []string) error {
	return s.HDel(ctx, key, fields...).Err()
}

func (s goRedis) info(ctx context.Context) (version, policy string, err error) {
	text, err := s.Info(ctx, "server", "memory").Result()
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "redis_version":
			version = value
		case "maxmemory_policy":
			policy = value
		}
	}
	return version, policy, err
}

// milliseconds rounds up: what is to be there must be there long enough.
func milliseconds(d time.Duration) int64 {
	return max(int64((d+time.Millisecond-1)/time.Millisecond), 1)
}
