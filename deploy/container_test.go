package deploy

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	secret = "whsec_container"

	// Two addresses for documentation, each an end of a cable of our own.
	outside = "203.0.113.1"
	inside  = "203.0.113.2"

	// patience is for a machine that has much else to do.
	patience = 2 * time.Minute
)

// The container as its users are told to run it: read-only, as nobody, without
// a capability, and with no network but the way to the application.
func TestContainer(t *testing.T) {
	s := newStore(t)
	namespace := network(t)
	received, application := application(t)
	c := s.start(namespace, "HOOKPASS_PROVIDER=stripe", "HOOKPASS_SECRET="+secret, "HOOKPASS_UPSTREAM="+application)

	c.confined()
	if routes := run(t, "ip", "-netns", namespace, "route", "show"); strings.Count(routes, "\n") != 0 || !strings.HasPrefix(routes, "203.0.113.0/30 ") {
		t.Errorf("it reaches\n%s", routes)
	}

	if !c.healthy() {
		t.Error("it works, and says that it does not")
	}
	if code, body := deliver(t, "evt_genuine", secret); code != http.StatusOK {
		t.Errorf("a genuine delivery: %d %s", code, body)
	}
	if got := <-received; got.id != "evt_genuine" || got.verified != "signature" {
		t.Errorf("the application got %+v", got)
	} else {
		close(got.answer)
	}
	if code, body := deliver(t, "evt_forged", "whsec_guessed"); code != http.StatusUnauthorized {
		t.Errorf("a forged delivery: %d %s", code, body)
	}

	// It is told to stop while the application has a delivery.
	var code int
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		code, _ = deliver(t, "evt_late", secret)
	}()
	late := <-received
	if late.id != "evt_late" {
		t.Errorf("the application got %+v", late)
	}
	c.signal("TERM")
	for c.healthy() {
		pause(t)
	}
	if !c.runs() {
		t.Error("it has gone, and the application had not answered yet")
	}
	close(late.answer)
	<-answered
	if code != http.StatusOK {
		t.Errorf("the delivery in flight was answered %d", code)
	}
	if err := <-c.ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if c.healthy() {
		t.Error("it has ended, and is healthy")
	}
	select {
	case got := <-received:
		t.Errorf("the application got %+v, too", got)
	default:
	}
}

// A container that cannot work says why, and ends.
func TestContainerWithoutSecretEnds(t *testing.T) {
	s := newStore(t)
	c := s.create(network(t), "HOOKPASS_PROVIDER=stripe", "HOOKPASS_UPSTREAM="+outside+":3000")
	if err := <-c.ended; err == nil || !strings.Contains(c.log.String(), "HOOKPASS_SECRET") {
		t.Errorf("it ended with %v and said\n%s", err, c.log)
	}
}

// network makes a network namespace with one cable out of it, to an address of
// this host, and returns its name.
func network(t *testing.T) string {
	t.Helper()
	name := "hookpass-" + strconv.Itoa(os.Getpid())
	link := "hp" + strconv.Itoa(os.Getpid())
	run(t, "ip", "netns", "add", name)
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "delete", name).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	run(t, "ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
	run(t, "ip", "address", "add", outside+"/30", "dev", link)
	run(t, "ip", "link", "set", link, "up")
	run(t, "ip", "-netns", name, "address", "add", inside+"/30", "dev", "eth0")
	run(t, "ip", "-netns", name, "link", "set", "eth0", "up")
	run(t, "ip", "-netns", name, "link", "set", "lo", "up")
	return name
}

// delivery is what the application got. It answers when told to.
type delivery struct {
	id, verified string
	answer       chan struct{}
}

func application(t *testing.T) (received chan delivery, address string) {
	t.Helper()
	received = make(chan delivery, 10)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", outside+":0")
	if err != nil {
		t.Fatal(err)
	}
	server := http.Server{
		ReadHeaderTimeout: patience,
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			d := delivery{r.Header.Get("Hookpass-Delivery"), r.Header.Get("Hookpass-Verified"), make(chan struct{})}
			received <- d
			<-d.answer
		}),
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return received, listener.Addr().String()
}

// deliver signs an event as Stripe does, and sends it.
func deliver(t *testing.T, id, key string) (code int, answer string) {
	body := fmt.Sprintf(`{"id":%q,"object":"event","type":"invoice.paid"}`, id)
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = io.WriteString(mac, timestamp+"."+body)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+inside+":8080/", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	request.Header.Set("Stripe-Signature", "t="+timestamp+",v1="+hex.EncodeToString(mac.Sum(nil)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.StatusCode, string(text)
}

// container is one that runs.
type container struct {
	t     *testing.T
	state string // runc's
	id    string
	ended chan error
	log   *bytes.Buffer // to be read when it has ended
}

// create runs a container of the image with nothing that the image does not
// ask for.
func (s store) create(namespace string, environment ...string) *container {
	s.t.Helper()
	image := s.build("docker", files)
	config := s.config(image)
	user, group, _ := strings.Cut(config.User, ":")
	uid, err := strconv.Atoi(user)
	if err != nil {
		s.t.Fatal(err)
	}
	gid, err := strconv.Atoi(group)
	if err != nil {
		s.t.Fatal(err)
	}
	type object = map[string]any
	text, err := json.Marshal(object{
		"ociVersion": "1.0.2",
		"process": object{
			"user":            object{"uid": uid, "gid": gid},
			"args":            slices.Concat(config.Entrypoint, config.Cmd),
			"env":             slices.Concat(config.Env, environment),
			"cwd":             "/" + config.WorkingDir,
			"noNewPrivileges": true,
			"capabilities":    object{},
		},
		"root": object{"path": s.unpack(image), "readonly": true},
		"mounts": []object{
			{"destination": "/proc", "type": "proc", "source": "proc", "options": []string{"nosuid", "noexec", "nodev"}},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		},
		"linux": object{
			"namespaces": []object{
				{"type": "pid"},
				{"type": "ipc"},
				{"type": "uts"},
				{"type": "mount"},
				{"type": "network", "path": "/run/netns/" + namespace},
			},
			"readonlyPaths": []string{"/proc/sys"},
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	bundle := s.t.TempDir()
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), text, 0o600); err != nil {
		s.t.Fatal(err)
	}

	c := &container{s.t, filepath.Join(s.folder, "runc"), namespace, make(chan error, 1), new(bytes.Buffer)}
	// It outlives the test's own context, which ends before what cleans up.
	cmd := exec.CommandContext(context.WithoutCancel(s.t.Context()), "runc", "--root", c.state, "run", "--bundle", bundle, c.id)
	cmd.Stdout, cmd.Stderr = c.log, c.log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		c.ended <- cmd.Wait()
		close(over)
	}()
	s.t.Cleanup(func() {
		_ = exec.Command("runc", "--root", c.state, "delete", "--force", c.id).Run()
		<-over
		if s.t.Failed() {
			s.t.Logf("the container said\n%s", c.log)
		}
	})
	return c
}

// start returns when the container is healthy.
func (s store) start(namespace string, environment ...string) *container {
	s.t.Helper()
	c := s.create(namespace, environment...)
	for !c.healthy() {
		select {
		case err := <-c.ended:
			s.t.Fatalf("the container has ended: %v", err)
		default:
			pause(s.t)
		}
	}
	return c
}

// pause bounds what would wait for ever, and spares the processor meanwhile.
func pause(t *testing.T) {
	t.Helper()
	select {
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	case <-time.After(20 * time.Millisecond):
	}
}

// healthy runs the health check of the image, inside.
func (c *container) healthy() bool {
	c.t.Helper()
	err := exec.CommandContext(c.t.Context(), "runc", "--root", c.state, "exec", c.id, "/hookpass", "health").Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		c.t.Fatal(err)
	}
	return err == nil
}

func (c *container) process() (pid int, status string) {
	c.t.Helper()
	var state struct {
		Pid    int
		Status string
	}
	if err := json.Unmarshal([]byte(run(c.t, "runc", "--root", c.state, "state", c.id)), &state); err != nil {
		c.t.Fatal(err)
	}
	return state.Pid, state.Status
}

func (c *container) runs() bool {
	c.t.Helper()
	_, status := c.process()
	return status == "running"
}

func (c *container) signal(name string) {
	c.t.Helper()
	run(c.t, "runc", "--root", c.state, "kill", c.id, name)
}

// confined asks the kernel what the process may do.
func (c *container) confined() {
	c.t.Helper()
	pid, _ := c.process()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		c.t.Fatal(err)
	}
	none := "0000000000000000"
	for field, want := range map[string]string{
		"Uid": "65532 65532 65532 65532", "Gid": "65532 65532 65532 65532", "Groups": "",
		"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none, "NoNewPrivs": "1",
	} {
		_, rest, _ := strings.Cut(string(status), "\n"+field+":")
		line, _, _ := strings.Cut(rest, "\n")
		if got := strings.Join(strings.Fields(line), " "); got != want {
			c.t.Errorf("%s is %q, not %q", field, got, want)
		}
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mounts", pid))
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if where, options := fields[1], strings.Split(fields[3], ","); where == "/" && !slices.Contains(options, "ro") {
			c.t.Errorf("the root file system is mounted %q", options)
		}
	}
}
