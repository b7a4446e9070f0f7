package dedup

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// ErrRedisOptions is returned for options that no Redis can be reached with. The
// error says which, and tells no password.
var ErrRedisOptions = errors.New("dedup: wrong options for redis")

const (
	// DefaultPrefix begins the keys unless told otherwise.
	DefaultPrefix = "hookpass:"

	// DefaultTimeout is how long a command may take unless told otherwise.
	DefaultTimeout = 250 * time.Millisecond
)

// RedisOptions tell where Redis is and how to use it.
type RedisOptions struct {
	// URLs are where Redis is: redis://HOST:PORT/DATABASE, rediss:// for TLS or
	// unix:///PATH, with USER:PASSWORD@ before the host if needed. Without Sentinel
	// or Cluster there is one; with them any of the nodes, alike but for the host.
	URLs []string

	// Sentinel is the name under which the sentinels at URLs know the master. User
	// and password of the URLs are then the sentinels'.
	Sentinel string

	// Cluster tells that URLs are nodes of a Redis Cluster.
	Cluster bool

	// Username and Password of Redis, where the URLs have none, or another's.
	Username, Password string

	// TLS is for rediss URLs. Default: the system's certificate authorities.
	TLS *tls.Config

	// Prefix begins every key. It may have no braces, which would put all keys of
	// a cluster on one node. Default: DefaultPrefix.
	Prefix string

	// Timeout is how long a delivery waits for a command. Default: DefaultTimeout.
	Timeout time.Duration

	// Reject has Begin return ErrUnavailable while Redis does not answer. Otherwise
	// the Memory decides alone then: copies at other replicas may be forwarded, too.
	Reject bool

	// Warn is told what the operator should know, and why if there is a cause.
	// Default: nobody is.
	Warn func(msg string, cause error)
}

// Check returns an error that wraps ErrRedisOptions unless the options can be
// used. It does not ask Redis.
func (o RedisOptions) Check() error {
	_, err := o.client()
	return err
}

func wrongOption(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrRedisOptions, fmt.Errorf(format, args...))
}

// client returns the options of the client library. A command that fails is not
// repeated, nor is dialling: the delivery can be decided without.
func (o RedisOptions) client() (*redis.UniversalOptions, error) {
	switch {
	case len(o.URLs) == 0:
		return nil, wrongOption("no URL")
	case o.Sentinel != "" && o.Cluster:
		return nil, wrongOption("sentinel and cluster exclude each other")
	case len(o.URLs) > 1 && o.Sentinel == "" && !o.Cluster:
		return nil, wrongOption("more than one URL is for a cluster or for sentinels: say which")
	case o.Timeout < 0:
		return nil, wrongOption("the timeout is negative")
	case strings.ContainsAny(o.Prefix, "{}"):
		return nil, wrongOption("the prefix has braces, which would put all keys on one node of a cluster")
	}
	first, err := o.parseURL(0)
	if err != nil {
		return nil, err
	}
	client := &redis.UniversalOptions{
		Addrs:                 []string{first.address},
		DB:                    first.database,
		Username:              o.Username,
		Password:              o.Password,
		MasterName:            o.Sentinel,
		IsClusterMode:         o.Cluster,
		Protocol:              2, // the third has nothing more for us
		MaxRetries:            -1,
		DialerRetries:         1,
		DialTimeout:           upkeepTimeout,
		ReadTimeout:           upkeepTimeout, // contexts end sooner
		ContextTimeoutEnabled: true,
		PipelinePoolSize:      -1,
		DisableIdentity:       true,
	}
	for i := range o.URLs[1:] {
		next, err := o.parseURL(i + 1)
		if err != nil {
			return nil, err
		}
		client.Addrs = append(client.Addrs, next.address)
		if next.address = first.address; next != first {
			return nil, wrongOption("URL %d differs from the first one in more than the host", i+2)
		}
	}
	switch {
	case o.Sentinel != "":
		client.SentinelUsername, client.SentinelPassword = first.username, first.password
	case first.username+first.password == "":
	case o.Username+o.Password != "":
		return nil, wrongOption("user and password are given in the URL and apart: leave out one of them")
	default:
		client.Username, client.Password = first.username, first.password
	}
	switch {
	case first.tls:
		client.TLSConfig = cmp.Or(o.TLS, &tls.Config{MinVersion: tls.VersionTLS12})
	case o.TLS != nil:
		return nil, wrongOption("TLS is for URLs that begin with rediss://")
	case o.Cluster && first.database != 0:
		return nil, wrongOption("a cluster has no databases: write no number behind the host")
	}
	return client, nil
}

type redisURL struct {
	address            string // a path if it begins with a slash
	username, password string
	tls                bool
	database           int
}

// parseURL quotes no URL, as there may be a password in it.
func (o RedisOptions) parseURL(i int) (u redisURL, err error) {
	wrong := func(what string) error {
		return wrongOption("URL %d %s: write it like redis://HOST:6379/0, and give a password with special characters apart", i+1, what)
	}
	parsed, err := url.Parse(o.URLs[i])
	if err != nil {
		return u, wrong("is none")
	}
	u.username = parsed.User.Username()
	u.password, _ = parsed.User.Password()
	switch parsed.Scheme {
	case "rediss":
		u.tls = true
	case "redis":
	case "unix":
		if parsed.Host != "" || parsed.Path == "" || o.Cluster || o.Sentinel != "" {
			return u, wrongOption("URL %d: write a socket like unix:///run/redis.sock; it leads to one Redis", i+1)
		}
		u.address = parsed.Path
		return u, nil
	default:
		return u, wrong("begins with neither redis:// nor rediss:// nor unix://")
	}
	port := "6379"
	if o.Sentinel != "" {
		port = "26379"
	}
	switch number := strings.TrimPrefix(parsed.Path, "/"); {
	case parsed.Hostname() == "":
		return u, wrong("has no host")
	case parsed.RawQuery != "" || parsed.Fragment != "":
		return u, wrong("has something behind host and database")
	case number != "":
		if u.database, err = strconv.Atoi(number); err != nil || u.database < 0 {
			return u, wrong("has something else than the number of a database behind the host")
		}
	}
	u.address = net.JoinHostPort(parsed.Hostname(), cmp.Or(parsed.Port(), port))
	return u, nil
}

// openRedis returns a client, which connects when it is first used.
func openRedis(o RedisOptions) (server, error) {
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	logging.Disable() // it writes to stderr what the store reports and counts
	return goRedis{redis.NewUniversalClient(client)}, nil
}
