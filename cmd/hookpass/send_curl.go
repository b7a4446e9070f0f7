package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// printCurl writes the command that sends r once more. It takes --data-raw, as
// "--data-binary @…" would send a file.
func printCurl(w io.Writer, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if bytes.IndexByte(body, 0) >= 0 {
		return errors.New("--data holds a zero byte, which no command line can carry")
	}
	command, to := "curl", r.URL.String()
	if strings.ContainsAny(to, "[]{}") {
		command += " --globoff"
	}
	if strings.Contains(to, "/.") {
		command += " --path-as-is"
	}
	lines := []string{command + " " + shellQuote(to)}
	for name, value := range fields(r.Header) {
		lines = append(lines, "--header "+shellQuote(name+": "+value))
	}
	lines = append(lines, "--data-raw "+shellQuote(string(body)))
	_, err = fmt.Fprintln(w, strings.Join(lines, " \\\n\t"))
	return err
}

// shellQuote makes one word of text for every POSIX shell.
func shellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
