package caddymodule

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/hookpass/hookpass/dedup"
)

// RedisStore remembers deliveries in a Redis that several replicas share: Redis
// from 7.0 on, or Valkey. Before it stands a memory like that of a single
// process, so that copies at one replica cost no round trip.
type RedisStore struct {
	// Where Redis is: redis://USER:PASSWORD@HOST:6379/DATABASE, rediss:// for TLS,
	// or unix:///PATH. Several are the nodes of a cluster, or sentinels. {env.NAME}
	// and {file./absolute/path} are read when the configuration is loaded. Required.
	URLs []string `json:"urls,omitempty"`

	// The user of Redis, where the URL has none, with placeholders as there.
	// Default: Redis's own, which is "default".
	Username string `json:"username,omitempty"`

	// The password of Redis, where the URL has none, with placeholders as there.
	// Default: none.
	Password string `json:"password,omitempty"`

	// The URLs lead to sentinels that know the master under this name. Default: they
	// lead to Redis itself.
	Sentinel string `json:"sentinel,omitempty"`

	// The URLs lead to nodes of a Redis Cluster. Default: they do not.
	Cluster bool `json:"cluster,omitempty"`

	// A file with the certificate authorities that Redis's certificate may come
	// from. Default: the system's.
	TLSCA string `json:"tls_ca,omitempty"`

	// A file with the certificate, in PEM, by which Redis knows its clients. Default:
	// none is shown.
	TLSCertificate string `json:"tls_certificate,omitempty"`

	// A file with that certificate's key, in PEM. Required with the certificate.
	// Default: none.
	TLSKey string `json:"tls_key,omitempty"`

	// What all keys begin with. Default: "hookpass:".
	Prefix string `json:"prefix,omitempty"`

	// How long a delivery waits for a command of Redis. Default: 250 ms.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// How long a delivery is a replica's own that does not say what has become of
	// it, as it has died. It must be longer than any endpoint's forward_timeout.
	// Default: 5 seconds longer.
	Lease caddy.Duration `json:"lease,omitempty"`

	// What happens while Redis does not answer: "local" (the default), each
	// replica decides alone, so that copies at another one may pass; "reject",
	// the sender is told to come again.
	OnError string `json:"on_error,omitempty"`

	// How many deliveries are remembered at this replica. Default: 1,000,000.
	Capacity int `json:"capacity,omitempty"`
}

const (
	onErrorLocal  = "local"
	onErrorReject = "reject"

	// leaseMargin is how much longer than a forward its lease is by default.
	leaseMargin = 5 * time.Second
)

var onErrors = []string{onErrorLocal, onErrorReject}

// redises holds the connections to Redis by their configuration.
var redises = caddy.NewUsagePool()

func (s *RedisStore) check() error {
	switch {
	case s.Capacity < 0:
		return fmt.Errorf("dedup redis: capacity %d must be positive", s.Capacity)
	case s.Timeout < 0 || s.Lease < 0:
		return errors.New("dedup redis: timeout and lease must be positive")
	case s.OnError != "" && !slices.Contains(onErrors, s.OnError):
		return fmt.Errorf("dedup redis: on_error %q is none of local, reject", s.OnError)
	case (s.TLSCertificate == "") != (s.TLSKey == ""):
		return errors.New("dedup redis: tls_certificate and tls_key need each other")
	}
	return nil
}

// rejects tells what happens to deliveries while Redis does not answer.
func (s *RedisStore) rejects() bool { return s.OnError == onErrorReject }

// openRedis takes hold of the connection to Redis, which an earlier configuration
// may have opened.
func (a *App) openRedis() error {
	options, err := a.Dedup.Redis.options(caddy.NewReplacer())
	if err != nil {
		return err
	}
	// What placeholders and files hold counts, too, but is nothing to be kept.
	identity := []any{a.Dedup.Redis, options.URLs, options.Username, options.Password}
	for _, path := range []string{a.Dedup.Redis.TLSCA, a.Dedup.Redis.TLSCertificate, a.Dedup.Redis.TLSKey} {
		if path == "" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		identity = append(identity, text)
	}
	text, err := json.Marshal(identity)
	if err != nil {
		return err
	}
	key := fmt.Sprintf("%x", sha256.Sum256(text))
	value, _, err := redises.LoadOrNew(key, func() (caddy.Destructor, error) {
		redis, err := dedup.NewRedis(a.memory, options)
		return redisInUse{redis}, err
	})
	if err != nil {
		return err
	}
	a.redisKey, a.store = key, value.(redisInUse).Redis
	if a.Dedup.Redis.readable() {
		warn(readableSecret, errors.New("the password of dedup redis"))
	}
	return nil
}

// options resolves the placeholders. Its errors show none of the values.
func (s *RedisStore) options(repl *caddy.Replacer) (dedup.RedisOptions, error) {
	o := dedup.RedisOptions{
		Sentinel: s.Sentinel, Cluster: s.Cluster, Prefix: s.Prefix,
		Timeout: time.Duration(s.Timeout), Reject: s.rejects(), Warn: warn,
	}
	var err error
	if o.Username, err = resolved(repl, "username", s.Username); err != nil {
		return o, err
	}
	if o.Password, err = resolved(repl, "password", s.Password); err != nil {
		return o, err
	}
	for _, text := range s.URLs {
		url, err := resolved(repl, "the URL", text)
		if err != nil {
			return o, err
		}
		o.URLs = append(o.URLs, url)
	}
	if s.TLSCA+s.TLSCertificate != "" {
		if o.TLS, err = s.tls(); err != nil {
			return o, fmt.Errorf("dedup redis: %w", err)
		}
	}
	return o, o.Check()
}

// resolved returns the value of a text with placeholders.
func resolved(repl *caddy.Replacer, what, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	value, err := resolveText(repl, text)
	if err != nil {
		return "", fmt.Errorf("dedup redis: %s: %w", what, err)
	}
	return value, nil
}

func (s *RedisStore) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.TLSCA != "" {
		text, err := os.ReadFile(s.TLSCA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("tls_ca %s holds no certificate in PEM", s.TLSCA)
		}
	}
	if s.TLSCertificate != "" {
		certificate, err := tls.LoadX509KeyPair(s.TLSCertificate, s.TLSKey)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}

// lease is how long a claim stands of a delivery that may be forwarded for so
// long. Zero: nobody else could take it over.
func (s *DedupStore) lease(forward time.Duration) (time.Duration, error) {
	if s == nil || s.Redis == nil {
		return 0, nil
	}
	least := forward + dedup.LeaseMargin
	switch lease := time.Duration(s.Redis.Lease); {
	case lease == 0:
		return forward + leaseMargin, nil
	case lease < least:
		return 0, fmt.Errorf("a forward may take %s, longer than the lease of dedup redis lets it: write lease %s or more there, or less into forward_timeout", forward, least)
	default:
		return lease, nil
	}
}

func (d *directive) redis(app *App) error {
	redis := &RedisStore{URLs: d.RemainingArgs()}
	if len(redis.URLs) == 0 {
		return d.wants("dedup redis redis://localhost:6379")
	}
	app.Dedup = &DedupStore{Redis: redis}
	texts := map[string]*string{
		"username": &redis.Username, "password": &redis.Password, "sentinel": &redis.Sentinel, "prefix": &redis.Prefix,
		"tls_ca": &redis.TLSCA, "tls_certificate": &redis.TLSCertificate, "tls_key": &redis.TLSKey, "on_error": &redis.OnError,
	}
	known := append([]string{"cluster", "timeout", "lease", "capacity"}, slices.Sorted(maps.Keys(texts))...)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word, err := d.enter("dedup", known)
		switch {
		case err != nil:
		case word == "cluster":
			if redis.Cluster = true; d.NextArg() {
				err = d.wants("cluster")
			}
		case word == "timeout":
			err = d.duration(&redis.Timeout, time.Millisecond, "timeout 250ms")
		case word == "lease":
			err = d.duration(&redis.Lease, time.Second, "lease 35s")
		case word == "capacity":
			err = d.positive(&redis.Capacity, "capacity 1000000")
		default:
			*texts[word], err = d.argument(word + " VALUE")
		}
		if err == nil && word == "on_error" && !slices.Contains(onErrors, redis.OnError) {
			err = d.unknown("on_error", redis.OnError, onErrors)
		}
		if err != nil {
			return err
		}
	}
	if err := redis.check(); err != nil {
		return d.errAt("dedup", err)
	}
	if slices.ContainsFunc(redis.URLs, func(url string) bool { return strings.Contains(url, "{") }) {
		return nil // checked when the values are known
	}
	err := dedup.RedisOptions{URLs: redis.URLs, Sentinel: redis.Sentinel, Cluster: redis.Cluster, Prefix: redis.Prefix}.Check()
	if err != nil {
		return d.errAt("dedup", err)
	}
	return nil
}

type redisInUse struct{ *dedup.Redis }

// Destruct closes the connections once no configuration uses them.
func (r redisInUse) Destruct() error { return closeNow(r.Redis) }
