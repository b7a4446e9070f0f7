package dedup

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
)

func TestRedisOptions(t *testing.T) {
	const good = "redis://cache:6379/0"
	tests := []struct {
		name    string
		options RedisOptions
		want    string // the error, if any
	}{
		{"one", RedisOptions{URLs: []string{good}}, ""},
		{"one without port and database", RedisOptions{URLs: []string{"redis://cache"}}, ""},
		{"one by TLS", RedisOptions{URLs: []string{"rediss://cache"}}, ""},
		{"one by TLS of our own", RedisOptions{URLs: []string{"rediss://cache"}, TLS: &tls.Config{MinVersion: tls.VersionTLS13}}, ""},
		{"a socket", RedisOptions{URLs: []string{"unix:///run/redis.sock"}}, ""},
		{"an IPv6 address", RedisOptions{URLs: []string{"redis://[::1]:6379"}}, ""},
		{"user and password in the URL", RedisOptions{URLs: []string{"redis://user:pass%2Fword@cache"}}, ""},
		{"user and password apart", RedisOptions{URLs: []string{good}, Username: "user", Password: "pass/word"}, ""},
		{"sentinels", RedisOptions{URLs: []string{"redis://a", "redis://b:26380"}, Sentinel: "main"}, ""},
		{"sentinels with a password, and Redis with another", RedisOptions{URLs: []string{"redis://:one@a"}, Password: "two", Sentinel: "main"}, ""},
		{"a cluster by one node", RedisOptions{URLs: []string{good}, Cluster: true}, ""},
		{"a cluster", RedisOptions{URLs: []string{"redis://a", "redis://b"}, Cluster: true}, ""},

		{"none", RedisOptions{}, "no URL"},
		{"an empty URL", RedisOptions{URLs: []string{""}}, "URL 1 begins with neither"},
		{"no URL", RedisOptions{URLs: []string{"cache:6379"}}, "URL 1 begins with neither"},
		{"another scheme", RedisOptions{URLs: []string{"http://cache"}}, "URL 1 begins with neither"},
		{"no host", RedisOptions{URLs: []string{"redis:///0"}}, "URL 1 has no host"},
		{"a name for a database", RedisOptions{URLs: []string{"redis://cache/main"}}, "URL 1 has something else"},
		{"a negative database", RedisOptions{URLs: []string{"redis://cache/-1"}}, "URL 1 has something else"},
		{"parameters", RedisOptions{URLs: []string{"redis://cache?db=1"}}, "URL 1 has something behind"},
		{"a password that needs %XX", RedisOptions{URLs: []string{"redis://:hunter2#/@cache"}}, "URL 1 "},
		{"a password with %", RedisOptions{URLs: []string{"redis://:hunter2%zz@cache"}}, "URL 1 is none"},
		{"a relative socket", RedisOptions{URLs: []string{"unix://run/redis.sock"}}, "URL 1: write a socket"},
		{"a socket of a cluster", RedisOptions{URLs: []string{"unix:///run/redis.sock"}, Cluster: true}, "URL 1: write a socket"},
		{"two that are nothing", RedisOptions{URLs: []string{"redis://a", "redis://b"}}, "more than one URL"},
		{"both kinds", RedisOptions{URLs: []string{good}, Cluster: true, Sentinel: "main"}, "exclude each other"},
		{"nodes that differ", RedisOptions{URLs: []string{"redis://a", "rediss://b"}, Cluster: true}, "URL 2 differs"},
		{"nodes with passwords that differ", RedisOptions{URLs: []string{"redis://:hunter2@a", "redis://:hunter2b@b"}, Cluster: true}, "URL 2 differs"},
		{"a password twice", RedisOptions{URLs: []string{"redis://:hunter2@a"}, Password: "hunter2"}, "given in the URL and apart"},
		{"a cluster's database", RedisOptions{URLs: []string{"redis://a/1"}, Cluster: true}, "a cluster has no databases"},
		{"TLS for nothing", RedisOptions{URLs: []string{good}, TLS: &tls.Config{MinVersion: tls.VersionTLS13}}, "rediss://"},
		{"a prefix with braces", RedisOptions{URLs: []string{good}, Prefix: "{hooks}:"}, "braces"},
		{"a negative timeout", RedisOptions{URLs: []string{good}, Timeout: -1}, "timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.options.Check()
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, ErrRedisOptions) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v, want one with %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells the password: %v", err)
			}
			if _, err := NewRedis(newTestMemory(t, 1), tt.options); !errors.Is(err, ErrRedisOptions) {
				t.Errorf("NewRedis: %v", err)
			}
		})
	}
}
