package caddymodule

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	ourTopic = "arn:aws:sns:eu-west-1:123456789012:orders"
	snsToken = "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92"
)

// sns stands for Amazon SNS: it publishes a certificate's key, signs messages,
// and takes confirmations.
type sns struct {
	key       *rsa.PrivateKey
	transport *http.Transport
	mu        sync.Mutex
	visits    []string
	status    int // of the answer to a confirmation
}

func newSNS(t *testing.T) *sns {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	s := &sns{key: key, status: http.StatusOK}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".pem") {
			_ = pem.Encode(w, &pem.Block{Type: "PUBLIC KEY", Bytes: der})
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.visits = append(s.visits, r.Method+" "+r.Host+r.RequestURI)
		w.Header().Set("Location", "https://sns.eu-west-1.amazonaws.com/elsewhere")
		w.WriteHeader(s.status)
	}))
	t.Cleanup(server.Close)
	s.transport = server.Client().Transport.(*http.Transport).Clone()
	s.transport.TLSClientConfig.ServerName = "example.com" // which httptest has a certificate for
	s.transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	return s
}

// confirmed returns what was visited since the last time.
func (s *sns) confirmed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	visits := s.visits
	s.visits = nil
	return visits
}

func (s *sns) answers(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

type snsMessage struct {
	kind, topic, subscribe string
	spoil                  func(text string) string
}

func (s *sns) sign(t *testing.T, m snsMessage) string {
	t.Helper()
	fields := map[string]string{
		"Type": m.kind, "MessageId": "m-" + m.kind, "TopicArn": cmp.Or(m.topic, ourTopic), "Message": "text",
		"Timestamp": time.Now().UTC().Format(time.RFC3339), "SignatureVersion": "2",
		"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
	}
	names := []string{"Message", "MessageId", "Timestamp", "TopicArn", "Type"}
	if m.kind != "Notification" {
		fields["Token"], fields["SubscribeURL"] = snsToken, m.subscribe
		names = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	digest := sha256.New()
	for _, name := range names {
		fmt.Fprintf(digest, "%s\n%s\n", name, fields[name])
	}
	signature, err := rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, digest.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	fields["Signature"] = base64.StdEncoding.EncodeToString(signature)
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	if m.spoil != nil {
		return m.spoil(string(text))
	}
	return string(text)
}

func (s *sns) gate(t *testing.T, app *application, settings string) *gate {
	t.Helper()
	before := publishedKeys
	defer func() { publishedKeys = before }() // what has been provisioned keeps its own
	publishedKeys = newKeySource(s.transport, nil)
	return serve(t, app, "verify_webhook aws-sns {\n with topic_arn "+ourTopic+"\n"+settings+"}\nreverse_proxy APP")
}

const confirmURL = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + ourTopic + "&Token=" + snsToken

func TestSubscriptionIsConfirmed(t *testing.T) {
	s, app := newSNS(t), newApplication(t)
	g := s.gate(t, app, "")
	confirmation := snsMessage{kind: "SubscriptionConfirmation", subscribe: confirmURL}
	for _, tt := range []struct {
		name    string
		answers int
		status  int
		says    string
	}{
		{"Amazon is down", 502, 503, `{"error":"Unavailable, try again"}`},
		{"Amazon leads elsewhere", 302, 503, `{"error":"Unavailable, try again"}`},
		{"Amazon confirms", 200, 200, ""},
		{"once more", 200, 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.answers(tt.answers)
			a := g.question("POST", "/", s.sign(t, confirmation))
			a.wants(t, tt.status, tt.says)
			if (a.header.Get("Retry-After") != "") != (tt.status == 503) {
				t.Errorf("header %v", a.header)
			}
			if got, want := fmt.Sprint(s.confirmed()), "[GET "+strings.TrimPrefix(confirmURL, "https://")+"]"; got != want {
				t.Errorf("visited %s, want %s", got, want)
			}
		})
	}
	if n := len(app.calls()); n != 0 {
		t.Errorf("the application was called %d times", n)
	}
	verdicts := ""
	for _, line := range g.lines() {
		verdicts += fmt.Sprint(line["verdict"], " ", line["event"], ",")
	}
	if want := strings.Repeat("rejected SubscriptionConfirmation,", 2) + strings.Repeat("handshake SubscriptionConfirmation,", 2); verdicts != want {
		t.Errorf("logged %s", verdicts)
	}
	log := string(readFile(t, g.caddyLog()))
	for _, want := range []string{"a handshake was not confirmed", "visit failed: status 502", "visit failed: status 302", "a handshake was confirmed"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in %s", want, log)
		}
	}
	if strings.Contains(log+string(readFile(t, g.log.path)), snsToken) {
		t.Error("a log has the token")
	}
}

// Whatever somebody has Amazon sign, or signs himself, has no URL visited.
func TestNothingElseIsConfirmed(t *testing.T) {
	s, app := newSNS(t), newApplication(t)
	g := s.gate(t, app, "")
	const foreign = "arn:aws:sns:eu-west-1:999999999999:orders"
	stranger := newSNS(t)
	change := func(from, to string) string { return strings.Replace(confirmURL, from, to, 1) }
	for _, tt := range []struct {
		name string
		by   *sns
		m    snsMessage
	}{
		{"signed by a stranger", stranger, snsMessage{subscribe: confirmURL}},
		{"altered", s, snsMessage{subscribe: confirmURL, spoil: func(text string) string { return strings.Replace(text, `"text"`, `"test"`, 1) }}},
		{"unsigned", s, snsMessage{subscribe: confirmURL, spoil: func(text string) string { return strings.Replace(text, `"Signature"`, `"Signed"`, 1) }}},
		{"another topic", s, snsMessage{topic: foreign, subscribe: change(ourTopic, foreign)}},
		{"another topic in the URL", s, snsMessage{subscribe: change(ourTopic, foreign)}},
		{"another action", s, snsMessage{subscribe: change("ConfirmSubscription", "Unsubscribe")}},
		{"a second action", s, snsMessage{subscribe: confirmURL + "&Action=Unsubscribe"}},
		{"another path", s, snsMessage{subscribe: change(".com/", ".com/topics/")}},
		{"another host", s, snsMessage{subscribe: change("amazonaws.com", "amazonaws.com.evil.test")}},
		{"another service", s, snsMessage{subscribe: change("//sns.", "//s3.")}},
		{"a user in front of the host", s, snsMessage{subscribe: change("//", "//sns.eu-west-1.amazonaws.com@evil.test/")}},
		{"a port", s, snsMessage{subscribe: change(".com/", ".com:444/")}},
		{"no TLS", s, snsMessage{subscribe: change("https", "http")}},
		{"no URL", s, snsMessage{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.m.kind = "SubscriptionConfirmation"
			g.question("POST", "/", tt.by.sign(t, tt.m)).wants(t, 401, invalidBody)
			if visits := s.confirmed(); visits != nil {
				t.Errorf("visited %v", visits)
			}
		})
	}
	if n := len(app.calls()); n != 0 {
		t.Errorf("the application was called %d times", n)
	}
}

// The URL in it would subscribe anew.
func TestEndOfASubscriptionIsTakenNoteOf(t *testing.T) {
	s, app := newSNS(t), newApplication(t)
	g := s.gate(t, app, "")
	g.question("POST", "/", s.sign(t, snsMessage{kind: "UnsubscribeConfirmation", subscribe: confirmURL})).wants(t, 200, "")
	if visits := s.confirmed(); visits != nil {
		t.Errorf("visited %v", visits)
	}
	g.question("POST", "/", s.sign(t, snsMessage{kind: "Notification"})).wants(t, 200, "handled")
	if calls := app.calls(); len(calls) != 1 || calls[0].header.Get("Hookpass-Event") != "Notification" {
		t.Errorf("the application got %+v", calls)
	}
	if lines := g.lines(); len(lines) != 2 || lines[0]["verdict"] != "handshake" || lines[0]["event"] != "UnsubscribeConfirmation" {
		t.Errorf("logged %v", lines)
	}
}

func TestMonitorModeLeavesTheConfirmationToTheApplication(t *testing.T) {
	s, app := newSNS(t), newApplication(t)
	g := s.gate(t, app, " mode monitor\n")
	g.question("POST", "/", s.sign(t, snsMessage{kind: "SubscriptionConfirmation", subscribe: confirmURL})).wants(t, 200, "handled")
	if visits := s.confirmed(); visits != nil {
		t.Errorf("visited %v", visits)
	}
}
