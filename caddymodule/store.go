package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/hookpass/hookpass/dedup"
)

// DedupStore is where deliveries are remembered: in this process, or in a Redis
// that several replicas share. Default: in this process.
type DedupStore struct {
	// Remember deliveries in memory. Default: so, unless there is a redis.
	Memory *MemoryStore `json:"memory,omitempty"`

	// Remember deliveries in Redis. Default: not. Excludes memory.
	Redis *RedisStore `json:"redis,omitempty"`
}

// MemoryStore remembers deliveries in memory. A reload of the configuration
// keeps it; a restart does if there is a journal.
type MemoryStore struct {
	// How many deliveries are remembered before the oldest are forgotten.
	// Default: 1,000,000, which take about 250 MB once they are there.
	Capacity int `json:"capacity,omitempty"`

	// Where it is written down, so that a restart keeps it. Default: nowhere.
	Journal *Journal `json:"journal,omitempty"`
}

// Journal is what is written down of the memory of deliveries.
type Journal struct {
	// A directory for the journal alone. It is made if need be. Required.
	Dir string `json:"dir,omitempty"`

	// When the operating system has to bring it to the disk: "interval" (the
	// default) once a second, "always" before the sender is answered, "never"
	// when it likes. Only the failure of the machine makes a difference: the
	// death of the process loses nothing.
	Fsync string `json:"fsync,omitempty"`
}

var fsyncs = []string{string(dedup.FsyncInterval), string(dedup.FsyncAlways), string(dedup.FsyncNever)}

// memories holds the one memory of the process, which outlives configurations.
var memories = caddy.NewUsagePool()

const memoryKey = "memory"

// openStore takes hold of what remembers deliveries.
func (a *App) openStore() error {
	memory, _, err := memories.LoadOrNew(memoryKey, func() (caddy.Destructor, error) {
		m, err := dedup.NewMemory(a.capacity())
		if err != nil {
			return nil, err
		}
		m.Warn = warn
		return memoryInUse{m}, nil
	})
	if err != nil {
		return err
	}
	a.memory = memory.(memoryInUse).Memory
	a.store = a.memory
	if a.Dedup != nil && a.Dedup.Redis != nil {
		return a.openRedis()
	}
	return nil
}

// warn tells the operator what a store has to say. The store outlives the
// configuration and its loggers.
func warn(msg string, cause error) {
	caddy.Log().Named(appName).Named("dedup").Warn(msg, zap.Error(cause))
}

// closeStore lets go of what openStore took hold of.
func (a *App) closeStore() error {
	var errs [2]error
	if a.redisKey != "" {
		_, errs[0] = redises.Delete(a.redisKey)
	}
	if a.memory != nil {
		_, errs[1] = memories.Delete(memoryKey)
	}
	return errors.Join(errs[:]...)
}

func (s *DedupStore) memory() MemoryStore {
	if s == nil || s.Memory == nil {
		return MemoryStore{}
	}
	return *s.Memory
}

func (a *App) capacity() int {
	given := a.Dedup.memory().Capacity
	if a.Dedup != nil && a.Dedup.Redis != nil {
		given = a.Dedup.Redis.Capacity
	}
	return cmp.Or(given, dedup.DefaultCapacity)
}

func (a *App) journal() dedup.JournalOptions {
	j := a.Dedup.memory().Journal
	if j == nil {
		return dedup.JournalOptions{}
	}
	return dedup.JournalOptions{Dir: j.Dir, Fsync: dedup.Fsync(cmp.Or(j.Fsync, string(dedup.FsyncInterval)))}
}

// inForce is the configuration whose limits the process keeps to. A new one that
// fails after its Start gives them back to the one that goes on.
var inForce struct {
	sync.Mutex
	app *App
}

// enforce applies the limits to what the process shares.
func (a *App) enforce() error {
	inForce.Lock()
	defer inForce.Unlock()
	if a.ended {
		return fmt.Errorf("the configuration has ended: %w", dedup.ErrClosed)
	}
	before := inForce.app
	if err := a.apply(); err != nil {
		if before != nil {
			err = errors.Join(err, before.apply())
		}
		return err
	}
	a.before, inForce.app = before, a
	return nil
}

// retire ends the configuration: unless another one has followed, the one before
// goes on.
func (a *App) retire() error {
	inForce.Lock()
	defer inForce.Unlock()
	a.ended = true
	if now := inForce.app; now != a {
		if now != nil && now.before == a {
			now.before = nil
		}
		return nil
	}
	inForce.app = a.before
	if a.before != nil {
		return a.before.apply()
	}
	return nil
}

func (a *App) apply() error {
	buffers.setLimit(a.maxBuffered())
	recents.Resize(a.Recent.capacity())
	recents.KeepWhole(a.Recent != nil && a.Recent.Bodies)
	if err := a.memory.SetCapacity(a.capacity()); err != nil {
		return err
	}
	if err := a.memory.SetJournal(a.journal()); err != nil {
		return fmt.Errorf("dedup memory: %w", err)
	}
	return a.openHealth()
}

type memoryInUse struct{ *dedup.Memory }

// Destruct closes the memory once no configuration uses it.
func (m memoryInUse) Destruct() error { return closeNow(m.Memory) }

// closeNow closes a store. Requests that outlive the server's own grace period
// are not waited for.
func closeNow(store dedup.Store) error {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := store.Close(ended); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
