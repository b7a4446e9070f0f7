package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// keptAdmin answers as the admin API of a process does that has kept
//
//	7   rejected, with its body
//	8   rejected by its head alone, with a hint
//	9   forwarded, without its body
//	10  failed, with the id 7 of its provider's
//
// and returns what it is asked to do.
func keptAdmin(t *testing.T) (address string, asked *[]string) {
	t.Helper()
	all := map[string]string{
		"7":  numbered(7, `,"verdict":"rejected","reason":"signature_mismatch","delivery_id":"evt_7","hint":"unknown: Old.","method":"POST","path":"/in"`),
		"8":  numbered(8, `,"verdict":"rejected","reason":"timestamp_too_old","delivery_id":"evt_8","hint":"too_old: It is\u001b[2J old."`),
		"9":  numbered(9, `,"verdict":"forwarded","delivery_id":"evt_9"`),
		"10": numbered(10, `,"verdict":"failed","delivery_id":"7"`),
	}
	ids := map[string]string{"evt_7": "7", "evt_8": "8", "7": "10"}
	answers := map[string]string{
		"/webhooks/deliveries/7/diagnosis":  `{"cause":"body_line_end","proven":true,"sentence":"It has a \u202eline break.","remedy":"Forward it.","tried":9}`,
		"/webhooks/deliveries/10/diagnosis": `{"cause":"genuine","proven":true}`,
		"/webhooks/deliveries/7/replay":     `{"number":11,"verdict":"rejected","reason":"signature_mismatch"}`,
		"/webhooks/deliveries/10/replay":    `{"number":12,"verdict":"forwarded","status":202}`,
	}
	asked = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number, below, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/webhooks/deliveries/"), "/")
		switch {
		case r.URL.Path == "/webhooks/deliveries":
			fmt.Fprintf(w, `{"deliveries":[%s]}`, all[ids[r.URL.Query().Get("delivery_id")]])
			return
		case all[number] == "":
			http.Error(w, `{"error":"no delivery is kept"}`, http.StatusNotFound)
			return
		case below == "":
			fmt.Fprint(w, all[number])
			return
		}
		*asked = append(*asked, r.Method+" "+r.URL.Path)
		if answers[r.URL.Path] == "" {
			http.Error(w, `{"error":"it has no body: write bodies on"}`, http.StatusConflict)
			return
		}
		fmt.Fprint(w, answers[r.URL.Path])
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), asked
}

func TestExplainADeliveryThatIsKept(t *testing.T) {
	for name, tt := range map[string]struct {
		args         []string
		prints, says string
		told         string
		code         int
	}{
		"by its number": {
			[]string{"--delivery", "7"},
			"POST \"/in\": body_line_end, proven\n  It has a \\u202eline break.\n  Forward it.\n", "not genuine: delivery 7",
			"delivery 7 (evt_7 of stripe, rejected signature_mismatch)\n", exitNo,
		},
		"by its id": {
			[]string{"--delivery", "evt_7", "--json"},
			`{"cause":"body_line_end","proven":true,"sentence":"It has a \u202eline break.","remedy":"Forward it.","tried":9}` + "\n", "not genuine: delivery 7",
			"delivery 7 (evt_7 of stripe, rejected signature_mismatch)\n", exitNo,
		},
		"genuine": {
			[]string{"--delivery", "10"},
			" \"/\": genuine, proven\n  \n  There is nothing to do.\n", "",
			"delivery 10 (7 of stripe, failed)\n", exitDone,
		},
		"a hint": {
			[]string{"--delivery", "8"},
			"too_old: It is\\x1b[2J old.\n", "not genuine: delivery 8",
			"delivery 8 (evt_8 of stripe, rejected timestamp_too_old)\nit has no body: write bodies on; this was found when it came\n", exitNo,
		},
		"a hint in JSON": {
			[]string{"--delivery", "8", "--json"},
			`{"hint":"too_old: It is\u001b[2J old."}` + "\n", "not genuine: delivery 8",
			"delivery 8 (evt_8 of stripe, rejected timestamp_too_old)\nit has no body: write bodies on; this was found when it came\n", exitNo,
		},
		"no hint":                   {[]string{"--delivery", "9"}, "", "HTTP 409: it has no body: write bodies on", "delivery 9 (evt_9 of stripe, forwarded)\n", exitFail},
		"not kept":                  {[]string{"--delivery", "evt_1"}, "", `the number or the id "evt_1"`, "", exitFail},
		"a number that is not kept": {[]string{"--delivery", "1"}, "", `the number or the id "1"`, "", exitFail},
		"nobody there":              {[]string{"--delivery", "7", "--address", "unix//nobody.sock"}, "", "unix//nobody.sock", "", exitFail},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := keptAdmin(t)
			var output, progress bytes.Buffer
			e := &explain{inspection: inspection{output: &output}, progress: &progress}
			if err := e.flags().Parse(append([]string{"--address", address}, tt.args...)); err != nil {
				t.Fatal(err)
			}
			err := e.run(nil)
			if output.String() != tt.prints || progress.String() != tt.told || exitCode(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v; it prints\n%s\nand tells\n%s", err, output.String(), progress.String())
			}
		})
	}
}

func TestExplainLooksIntoOneOrTheOther(t *testing.T) {
	for _, args := range [][]string{
		{"--request", "-"},
		{"--provider", "github"},
		{"--providers", "."},
		{"--url", "https://hooks.example.com/"},
		{"--secret-env", "SECRET"},
		{"--secret-file", "secret"},
		{"--with", "a=b"},
		{"--at", "1767225600"},
		{"8"},
	} {
		e := &explain{inspection: inspection{output: io.Discard}, progress: io.Discard}
		flags := e.flags()
		if err := flags.Parse(append([]string{"--delivery", "7"}, args...)); err != nil {
			t.Fatal(err)
		}
		if err := e.run(flags.Args()); !errors.Is(err, errKnown) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestReplay(t *testing.T) {
	for name, tt := range map[string]struct {
		args   []string
		prints string
		asks   []string
		says   string
		code   int
	}{
		"taken, by its number": {
			[]string{"10"},
			"delivery 10 (7 of stripe, failed): forwarded as delivery 12, answered 202\n",
			[]string{"POST /webhooks/deliveries/10/replay"},
			"", exitDone,
		},
		"not taken, the number before the id": {
			[]string{"7"},
			"delivery 7 (evt_7 of stripe, rejected signature_mismatch): rejected signature_mismatch as delivery 11\n",
			[]string{"POST /webhooks/deliveries/7/replay"},
			"delivery 7: the application has not taken it", exitNo,
		},
		"several, as JSON": {
			[]string{"--json", "evt_7", "10"},
			`{"of":7,"number":11,"verdict":"rejected","reason":"signature_mismatch"}` + "\n" + `{"of":10,"number":12,"verdict":"forwarded","status":202}` + "\n",
			[]string{"POST /webhooks/deliveries/7/replay", "POST /webhooks/deliveries/10/replay"},
			"delivery 7: ", exitNo,
		},
		"no body": {
			[]string{"9"}, "", []string{"POST /webhooks/deliveries/9/replay"}, "delivery 9 (evt_9 of stripe, forwarded): ", exitFail,
		},
		"none is sent if one is unknown": {[]string{"10", "*"}, "", nil, `the number or the id "*"`, exitFail},
		"none":                           {nil, "", nil, "name the deliveries", exitFail},
	} {
		t.Run(name, func(t *testing.T) {
			address, asked := keptAdmin(t)
			var output bytes.Buffer
			r := &replay{output: &output}
			flags := r.flags()
			if err := flags.Parse(append([]string{"--address", address}, tt.args...)); err != nil {
				t.Fatal(err)
			}
			err := r.run(flags.Args())
			if output.String() != tt.prints || !slices.Equal(*asked, tt.asks) || exitCode(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v; it asks %q and prints\n%s", err, *asked, output.String())
			}
		})
	}
}

// An address may have the permissions of a socket, and what answers need not be
// hookpass.
func TestAskTheAdminAPI(t *testing.T) {
	socket := socketDir(t) + "/admin.sock"
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server.Listener = listener
	server.Start()
	defer server.Close()
	a := adminFlag{"unix/" + socket + "|0600"}
	var refused *adminError
	if err := a.ask(t.Context(), http.MethodGet, "/", nil, nil); !errors.As(err, &refused) || refused.status != http.StatusNotFound || !strings.Contains(err.Error(), "is it the admin API of hookpass?") {
		t.Error(err)
	}
}
