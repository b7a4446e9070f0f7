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
	namespace := network(t)
	received, application := application(t)
	c := start(t, namespace, nil, "HOOKPASS_PROVIDER=stripe", "HOOKPASS_SECRET="+secret, "HOOKPASS_UPSTREAM="+application)

	c.confined()
	if routes := run(t, "ip", "-netns", namespace, "route", "show"); strings.Count(routes, "\n") != 0 || !strings.HasPrefix(routes, "203.0.113.0/30 ") {
		t.Errorf("it reaches\n%s", routes)
	}

	if !c.healthy() {
		t.Error("it works, and says that it does not")
	}
	genuine := deliver(t, "evt_genuine", secret)
	got := take(t, received)
	if got.id != "evt_genuine" || got.verified != "signature" {
		t.Errorf("the application got %+v", got)
	}
	close(got.answer)
	if a := <-genuine; a.code != http.StatusOK {
		t.Errorf("a genuine delivery is answered %v", a)
	}
	if a := <-deliver(t, "evt_forged", "whsec_guessed"); a.code != http.StatusUnauthorized {
		t.Errorf("a forged delivery is answered %v", a)
	}

	// It is told to stop while the application has a delivery.
	inFlight := deliver(t, "evt_late", secret)
	late := take(t, received)
	if late.id != "evt_late" {
		t.Errorf("the application got %+v", late)
	}
	c.signal("TERM")
	eventually(t, "it takes no more", func() bool { return !c.healthy() })
	if !c.runs() {
		t.Error("it has gone, and the application had not answered yet")
	}
	close(late.answer)
	if a := <-inFlight; a.code != http.StatusOK {
		t.Errorf("the delivery in flight is answered %v", a)
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
	c := create(t, network(t), nil, "HOOKPASS_PROVIDER=stripe", "HOOKPASS_UPSTREAM="+outside+":3000")
	if err := <-c.ended; err == nil || !strings.Contains(c.log.String(), "HOOKPASS_SECRET") {
		t.Errorf("it ended with %v and said\n%s", err, c.log)
	}
}

// The containers of the pod, on one network as Kubernetes has it, work together;
// those of Compose are the same ones.
func TestPod(t *testing.T) {
	pod := kustomize(t, "kubernetes/base").deployment.Spec.Template.Spec
	project, err := compose(t, "HOOKPASS_SECRET="+secret)
	if err != nil {
		t.Fatal(err)
	}
	application := pod.Containers[0].Args
	if got := []string(project.Services["application"].Command); !slices.Equal(got, application) {
		t.Errorf("the application of Compose is %q, that of Kubernetes %q", got, application)
	}

	namespace := network(t)
	create(t, namespace, application)
	var environment []string
	for _, v := range pod.InitContainers[0].Env {
		if v.ValueFrom != nil {
			v.Value = secret
		}
		environment = append(environment, v.Name+"="+v.Value)
	}
	start(t, namespace, pod.InitContainers[0].Args, environment...)

	want := answer{http.StatusOK, "the application got invoice.paid evt_pod\n"}
	var got answer
	eventually(t, "the application starts", func() bool {
		got = <-deliver(t, "evt_pod", secret)
		return got.code != http.StatusBadGateway
	})
	if got != want {
		t.Errorf("%v, not %v", got, want)
	}
}

// network makes a network namespace with one cable out of it, to an address of
// this host, and returns its name.
func network(t *testing.T) string {
	t.Helper()
	name := "hookpass-" + strconv.Itoa(os.Getpid())
	link := "hp" + strconv.Itoa(os.Getpid())
	run(t, "ip", "netns", "add", name)
	remove := func(what ...string) {
		t.Cleanup(func() {
			if out, err := exec.Command("ip", what...).CombinedOutput(); err != nil {
				t.Errorf("ip %q: %v\n%s", what, err, out)
			}
		})
	}
	remove("netns", "delete", name)
	run(t, "ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
	remove("link", "delete", link)
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

func take(t *testing.T, received <-chan delivery) delivery {
	t.Helper()
	select {
	case d := <-received:
		return d
	case <-time.After(patience):
		t.Fatal("the application got nothing")
		return delivery{}
	}
}

type answer struct {
	code int
	body string
}

// deliver signs an event as Stripe does, sends it, and tells how it was answered.
func deliver(t *testing.T, id, key string) <-chan answer {
	t.Helper()
	return deliverTo(t, "/", id, key)
}

func deliverTo(t *testing.T, path, id, key string) <-chan answer {
	t.Helper()
	body := fmt.Sprintf(`{"id":%q,"object":"event","type":"invoice.paid"}`, id)
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = io.WriteString(mac, timestamp+"."+body)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+inside+":8080"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Stripe-Signature", "t="+timestamp+",v1="+hex.EncodeToString(mac.Sum(nil)))
	answered := make(chan answer, 1)
	go func() {
		defer close(answered)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Error(err)
			return
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Error(err)
			return
		}
		answered <- answer{response.StatusCode, string(text)}
	}()
	return answered
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
// ask for. Without arguments, it runs what the image says.
func create(t *testing.T, namespace string, args []string, environment ...string) *container {
	t.Helper()
	s, image := image(t)
	config := s.config(image)
	user, group, _ := strings.Cut(config.User, ":")
	uid, err := strconv.Atoi(user)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.Atoi(group)
	if err != nil {
		t.Fatal(err)
	}
	bundle := t.TempDir()
	hosts := filepath.Join(bundle, "hosts")
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost\n::1 localhost\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if args == nil {
		args = config.Cmd
	}
	type object = map[string]any
	text, err := json.Marshal(object{
		"ociVersion": "1.0.2",
		"process": object{
			"user":            object{"uid": uid, "gid": gid},
			"args":            slices.Concat(config.Entrypoint, args),
			"env":             slices.Concat(config.Env, environment),
			"cwd":             "/" + config.WorkingDir,
			"noNewPrivileges": true,
			"capabilities":    object{},
		},
		"root": object{"path": s.unpack(image), "readonly": true},
		"mounts": []object{
			{"destination": "/proc", "type": "proc", "source": "proc", "options": []string{"nosuid", "noexec", "nodev"}},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			// What each engine puts in, and all that it does: no name server.
			{"destination": "/etc/hosts", "type": "bind", "source": hosts, "options": []string{"bind", "ro"}},
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
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}

	c := &container{t, filepath.Join(t.TempDir(), "runc"), filepath.Base(bundle) + "-" + namespace, make(chan error, 1), new(bytes.Buffer)}
	// It outlives the test's own context, which ends before what cleans up.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "runc", "--root", c.state, "run", "--bundle", bundle, c.id)
	cmd.Stdout, cmd.Stderr = c.log, c.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		c.ended <- cmd.Wait()
		close(over)
	}()
	t.Cleanup(func() {
		_ = exec.Command("runc", "--root", c.state, "delete", "--force", c.id).Run()
		<-over
		if t.Failed() {
			t.Logf("the container said\n%s", c.log)
		}
	})
	return c
}

// start returns when the container is healthy.
func start(t *testing.T, namespace string, args []string, environment ...string) *container {
	t.Helper()
	c := create(t, namespace, args, environment...)
	eventually(t, "it works", func() bool {
		select {
		case err := <-c.ended:
			t.Fatalf("the container has ended: %v", err)
		default:
		}
		return c.healthy()
	})
	return c
}

// eventually gives a busy machine its time.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
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
