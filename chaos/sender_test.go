package chaos

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	secret = "chaos-test-secret"

	indexHeader       = "X-Delivery-Index"
	incarnationHeader = "X-Incarnation"

	// All times of the providers are divided by this.
	haste = 12000

	// How long after one delivery the next begins.
	pace = time.Millisecond

	// How long a sender waits for an answer. Unlike the schedule it cannot be
	// divided: a loaded machine takes milliseconds for anything.
	senderPatience = 150 * time.Millisecond

	// How many requests are under way at once.
	lanes = 64
)

// provider signs and retries as its documentation says.
type provider struct {
	name    string
	retries []time.Duration
	sign    func(h *history, header http.Header) (body string)
}

var providers = []provider{
	{
		name: "saltare",
		retries: []time.Duration{
			time.Minute, 4 * time.Minute, 15 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour,
		},
		sign: func(h *history, header http.Header) string {
			body := fmt.Sprintf(`{"event":"load.created","delivery_id":%q}`, h.id)
			timestamp, signature := signed(body)
			header.Set("X-Saltare-Timestamp", timestamp)
			header.Set("X-Saltare-Signature", "sha256="+signature)
			return body
		},
	},
	{
		name:    "sally",
		retries: []time.Duration{30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour},
		sign: func(h *history, header http.Header) string {
			body := fmt.Sprintf(`{"id":%q,"event":"alert.created","data":{}}`, h.id)
			timestamp, signature := signed(body)
			header.Set("X-Sally-Timestamp", timestamp)
			header.Set("X-Sally-Signature", signature)
			header.Set("X-Sally-Delivery", h.id)
			header.Set("X-Sally-Event", "alert.created")
			return body
		},
	},
}

func signed(body string) (timestamp, signature string) {
	timestamp = strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, timestamp+"."+body)
	return timestamp, hex.EncodeToString(mac.Sum(nil))
}

// senders are all who send.
type senders struct {
	lab    *lab
	client *http.Client
	lane   chan struct{}
	pace   time.Duration  // from one delivery's beginning to the next one's
	first  sync.WaitGroup // the first attempts
	group  sync.WaitGroup
	ctx    context.Context
	cancel context.CancelFunc
}

func (l *lab) startSenders(pace, patience time.Duration) *senders {
	s := &senders{
		lab:    l,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: lanes}, Timeout: patience},
		lane:   make(chan struct{}, lanes),
		pace:   pace,
	}
	s.ctx, s.cancel = context.WithCancel(l.Context())
	l.Cleanup(s.client.CloseIdleConnections)
	for i := range l.histories {
		for c := range l.histories[i].copies {
			s.first.Add(1)
			s.group.Go(func() { s.deliver(i, c) })
		}
	}
	return s
}

// started returns when each delivery was tried once.
func (s *senders) started() { s.first.Wait() }

// end returns when nobody sends any more: everyone has an answer, or has given
// up, at the latest after the given time.
func (s *senders) end(endurance time.Duration) {
	defer time.AfterFunc(endurance, s.cancel).Stop()
	s.group.Wait()
	s.client.CloseIdleConnections()
}

// deliver sends a delivery by its provider's schedule. Who does not give up goes
// on at the last interval until the test's time is over.
func (s *senders) deliver(i, c int) {
	h, r := &s.lab.histories[i], dice(ofSender, (s.lab.first+i)<<2|c)
	var once sync.Once
	defer once.Do(s.first.Done)
	if !rest(s.ctx, time.Duration(i)*s.pace) {
		return
	}
	for n := 0; ; n++ {
		a := s.attempt(i, r.IntN(len(s.lab.replicas)))
		once.Do(s.first.Done)
		if a.acknowledged() {
			break
		}
		if n >= len(h.provider.retries) && h.givesUp {
			return
		}
		pause := h.provider.retries[min(n, len(h.provider.retries)-1)] / haste
		if !rest(s.ctx, pause+time.Duration(r.Int64N(int64(5*time.Millisecond)))) {
			return
		}
	}
	if h.again > 0 && c == 0 && rest(s.ctx, h.again) {
		s.attempt(i, r.IntN(len(s.lab.replicas)))
	}
}

// attempt sends a delivery once, to one of the replicas.
func (s *senders) attempt(i, replica int) attempt {
	s.lane <- struct{}{}
	defer func() { <-s.lane }()

	h := &s.lab.histories[i]
	header := http.Header{indexHeader: {strconv.Itoa(s.lab.first + i)}}
	body := h.provider.sign(h, header)
	a := attempt{start: s.lab.now()}
	a.status, a.duplicate, a.err = s.post("http://"+s.lab.replicas[replica].address+"/"+h.provider.name, header, body)
	a.end = s.lab.now()
	h.tried(a)
	return a
}

func (s *senders) post(url string, header http.Header, body string) (status int, duplicate bool, err error) {
	r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		s.lab.Error(err)
		return 0, false, err
	}
	// As providers do: net/http would otherwise repeat what a lost connection
	// left open, behind our back.
	r.GetBody = nil
	r.Header = header
	resp, err := s.client.Do(r)
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.Contains(string(text), `"duplicate":true`), nil
}
