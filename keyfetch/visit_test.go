package keyfetch

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

const visitToken = "2336412f37"

func (s *source) visit(t *testing.T, address string) error {
	t.Helper()
	err := s.cache.Visit(address)
	if err != nil && !errors.Is(err, ErrVisit) {
		t.Errorf("%q: another cause: %v", address, err)
	}
	if err != nil && strings.Contains(err.Error(), visitToken) {
		t.Errorf("the error quotes the token: %v", err)
	}
	return err
}

func TestVisits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		wants  string // the error, empty: none
	}{
		{"done", serve("<ConfirmSubscriptionResponse/>"), ""},
		{"done without a word", serve(""), ""},
		{"refused", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "status 403"},
		{"sent elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/?Token="+visitToken, http.StatusFound)
		}, "status 302"},
		{"too much of an answer", serve(strings.Repeat(" ", maxSize+1)), "more than"},
		{"broken off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSource(t, tt.answer)
			err := s.visit(t, s.URL+"/?Token="+visitToken)
			if (err == nil) != (tt.wants == "") || err != nil && !strings.Contains(err.Error(), tt.wants) {
				t.Errorf("got %v, want %q", err, tt.wants)
			}
			if n := s.fetched.Load(); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestWhatIsNotVisited(t *testing.T) {
	s := newSource(t, serve(""))
	for _, address := range []string{
		strings.Replace(s.URL, "https://", "http://", 1), strings.Replace(s.URL, "https://", "https://user@", 1), "https:///?Token=" + visitToken, ":" + visitToken,
	} {
		if err := s.visit(t, address); err == nil {
			t.Errorf("%q was visited", address)
		}
	}
	if n := s.fetched.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestVisitsAreLimited(t *testing.T) {
	s := newSource(t, serve(""))
	for i := range burst + 10 {
		if err := s.visit(t, s.URL); (err == nil) != (i < burst) {
			t.Fatalf("visit %d: %v", i, err)
		}
	}
	s.pass(refill)
	if err := s.visit(t, s.URL); err != nil || s.fetched.Load() != burst+1 {
		t.Errorf("later: %v, %d requests", err, s.fetched.Load())
	}
}
