package dedup

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wantReached has two replicas share deliveries.
func wantReached(t *testing.T, redis *redisServer, o RedisOptions) {
	t.Helper()
	a, b := redis.replica(t, o), redis.replica(t, o)
	for i := range 20 {
		claim := forward(t, a, nthID(i), minute)
		wantKind(t, begin(t, b, nthID(i), minute), Busy)
		if i%2 == 0 {
			claim.Abort()
			claim = forward(t, b, nthID(i), minute)
		}
		claim.Commit()
		wantKind(t, begin(t, a, nthID(i), minute), Duplicate)
		wantKind(t, begin(t, b, nthID(i), minute), Duplicate)
	}
	for _, r := range []*Redis{a, b} {
		if s := r.Stats(); s != (RedisStats{}) {
			t.Errorf("%+v", s)
		}
	}
}

func TestRedisIsReached(t *testing.T) {
	t.Parallel()
	const password = "hunter2/#?%"
	dir, pki := t.TempDir(), newPKI(t)
	socket := filepath.Join(dir, "redis.sock")
	redis := startRedis(t, "--unixsocket", socket)

	t.Run("by a socket", func(t *testing.T) {
		wantReached(t, redis, RedisOptions{URLs: []string{"unix://" + socket}})
	})
	t.Run("in another database", func(t *testing.T) {
		wantReached(t, redis, RedisOptions{URLs: []string{redis.url() + "/3"}})
		if got := fmt.Sprint(redis.do("INFO", "keyspace")); !strings.Contains(got, "db3:") {
			t.Errorf("the keys are not in database 3: %s", got)
		}
	})
	t.Run("with no more rights than it needs", func(t *testing.T) {
		redis.do("ACL", "SETUSER", "hookpass", "on", ">"+password, "resetkeys", "~hooks:*", "resetchannels", "-@all",
			"+set", "+get", "+del", "+evalsha", "+eval", "+hset", "+hgetall", "+hdel", "+info")
		o := RedisOptions{URLs: []string{redis.url()}, Username: "hookpass", Password: password, Prefix: "hooks:"}
		wantReached(t, redis, o)
		r := redis.replica(t, o)
		forget(t, r, nthID(0), true)
		forgetEndpoint(t, r, "shop")
		redis.do("ACL", "SETUSER", "hookpass", "-info")
		redis.do("FLUSHALL")
		var told warnings
		o.Warn = told.add
		wantReached(t, redis, o)
		told.want(t, "allow INFO")
	})
	t.Run("not with a wrong password", func(t *testing.T) {
		var told warnings
		r := redis.replica(t, RedisOptions{
			URLs: []string{redis.url()}, Username: "hookpass", Password: password + "!", Prefix: "hooks:", Reject: true, Warn: told.add,
		})
		told.want(t, outageBegins, "WRONGPASS")
		_, err := r.Begin(t.Context(), nthID(0), minute)
		if err == nil || strings.Contains(err.Error()+told.text, "hunter2") {
			t.Errorf("Begin: %v, and told was %s", err, told.text)
		}
	})
	t.Run("by TLS, with a certificate on each side", func(t *testing.T) {
		port := strconv.Itoa(freePort(t))
		startRedis(t, "--tls-port", port, "--tls-ca-cert-file", pki.ca,
			"--tls-cert-file", pki.cert, "--tls-key-file", pki.key, "--tls-auth-clients", "yes")
		o := RedisOptions{URLs: []string{"rediss://" + net.JoinHostPort("127.0.0.1", port)}, TLS: pki.client}
		wantReached(t, redis, o)
		o.TLS = &tls.Config{RootCAs: pki.client.RootCAs, MinVersion: tls.VersionTLS12}
		wantOutage(t, redis.replica(t, o), true) // it wants a certificate of ours
		o.TLS = nil
		wantOutage(t, redis.replica(t, o), true) // nobody vouches for it
	})
}

// pki is an authority, and a certificate of its own for both sides.
type pki struct {
	ca, cert, key string
	client        *tls.Config
}

func newPKI(t *testing.T) pki {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(err)
	parsed, err := x509.ParseCertificate(der)
	must(err)
	p := pki{ca: write("ca.pem", "CERTIFICATE", der), cert: write("cert.pem", "CERTIFICATE", der), key: write("key.pem", "PRIVATE KEY", keyDER)}
	own, err := tls.LoadX509KeyPair(p.cert, p.key)
	must(err)
	p.client = &tls.Config{RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
	p.client.RootCAs.AddCert(parsed)
	return p
}

// A master is killed. What it told its replica of in time is kept.
func TestSentinel(t *testing.T) {
	t.Parallel()
	master := startRedis(t)
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(master.port))
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor main 127.0.0.1 %d 1\nsentinel down-after-milliseconds main 300\n"+
		"sentinel failover-timeout main 2000\n", master.port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := startRedis(t, config, "--sentinel")

	o := RedisOptions{URLs: []string{sentinel.url()}, Sentinel: "main"}
	wantReached(t, master, o)
	a, b := master.replica(t, o), master.replica(t, o)
	claim := forward(t, a, nthID(100), minute)
	replica.wantKey(t, a, nthID(100), claimMark) // and all before it
	master.kill()
	a.timeout, b.timeout = impatient, impatient
	for i := range outageAfter {
		forward(t, a, nthID(101+i), minute).Abort()
	}
	claim.Commit()
	eventually(t, "the replica is the master", func() bool {
		info, _ := replica.try("INFO", "replication")
		return strings.Contains(fmt.Sprint(info), "role:master")
	})
	wantOutage(t, a, false)
	a.timeout, b.timeout = time.Minute, time.Minute
	eventually(t, "Redis has been told", func() bool { return a.Stats().PendingCommits == 0 })
	wantKind(t, begin(t, b, nthID(0), minute), Duplicate)
	wantKind(t, begin(t, b, nthID(100), minute), Duplicate)
	forward(t, b, nthID(101), minute).Commit()
}

// The keys are spread over the nodes. While one is gone, replicas go on with what
// is at the others.
func TestCluster(t *testing.T) {
	t.Parallel()
	const slots = 16384
	var nodes []*redisServer
	for range 3 {
		nodes = append(nodes, startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "500",
			"--cluster-require-full-coverage", "no", "--cluster-port", strconv.Itoa(freePort(t))))
	}
	for i, n := range nodes {
		n.do("CLUSTER", "ADDSLOTSRANGE", (i*slots+2)/3, ((i+1)*slots+2)/3-1)
		n.do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
	}
	first := nodes[0]
	for _, n := range nodes[1:] {
		n.do("CLUSTER", "MEET", "127.0.0.1", first.port, first.args[len(first.args)-1])
	}
	for _, n := range nodes {
		eventually(t, "the node knows the others", func() bool {
			info := fmt.Sprint(n.do("CLUSTER", "INFO"))
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:"+strconv.Itoa(slots))
		})
	}
	o := RedisOptions{URLs: []string{nodes[0].url(), nodes[1].url()}, Cluster: true}
	wantReached(t, first, o)
	for _, n := range nodes {
		if size := n.do("DBSIZE").(int64); size < 2 {
			t.Errorf("%d keys are at a node, of 20", size)
		}
	}

	// at tells the node of a delivery's key.
	at := func(r *Redis, id ID) int {
		return int(first.do("CLUSTER", "KEYSLOT", r.key(id)).(int64)) * len(nodes) / slots
	}
	a, b := first.replica(t, o), first.replica(t, o)
	var here, gone []ID
	for i := 100; len(here) < 10 || len(gone) < 10; i++ {
		if id := nthID(i); at(a, id) == 2 {
			gone = append(gone, id)
		} else {
			here = append(here, id)
		}
	}
	nodes[2].kill()
	for i := range 10 {
		forward(t, a, gone[i], minute).Commit()
		forward(t, a, here[i], minute).Commit()
		wantKind(t, begin(t, b, here[i], minute), Duplicate)
	}
	if s := a.Stats(); s.Unshared != 10 || s.Outage {
		t.Errorf("%+v", s)
	}
	nodes[2].start()
	eventually(t, "Redis has been told", func() bool { return a.Stats().PendingCommits == 0 })
	for _, id := range gone {
		eventually(t, "the other replica knows", func() bool {
			out := begin(t, b, id, minute)
			if out.Kind == Forward {
				out.Claim.Abort()
			}
			return out.Kind == Duplicate
		})
	}
}
