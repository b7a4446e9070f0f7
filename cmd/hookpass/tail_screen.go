package main

import (
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/hookpass/hookpass/delivery"
)

const (
	clearLine = "\r\x1b[K"
	endColour = "\x1b[0m"

	gap    = "  "
	indent = "      "
)

var (
	// least and most are how wide the columns are at least and at most. Between them
	// they grow with what they hold.
	least = [columns]int{4, 9, 9, 9, 12, 12, 3, 6}
	most  = [columns]int{9, 9, 24, 38, 32, 40, 3, 8}

	// narrowing are the columns that give way where the terminal is narrow.
	narrowing = []int{columnID, columnEvent, columnEndpoint, columnVerdict}

	colours = map[delivery.Verdict]string{
		delivery.VerdictForwarded: "\x1b[32m", // green
		delivery.VerdictFailed:    "\x1b[33m", // yellow
		delivery.VerdictBusy:      "\x1b[33m",
		delivery.VerdictRejected:  "\x1b[31m", // red
		delivery.VerdictDuplicate: "\x1b[36m", // cyan
		delivery.VerdictIgnored:   "\x1b[36m",
		delivery.VerdictHandshake: "\x1b[36m",
	}
)

// narrowest is what a column is left that gives way.
const narrowest = 9

// screen shows deliveries on a terminal, and below them how it goes.
//
// Its methods may be called concurrently.
type screen struct {
	output, progress io.Writer
	width            func() int
	coloured         bool // https://no-color.org
	live             bool // the terminal can clear a line

	mu     sync.Mutex
	widths [columns]int
	shown  int
	status string // the last line
}

func newScreen(output, progress io.Writer, width func() int) *screen {
	live := os.Getenv("TERM") != "dumb"
	return &screen{
		output: output, progress: progress, width: width, widths: least,
		live: live, coloured: live && os.Getenv("NO_COLOR") == "",
	}
}

func (s *screen) show(d *kept) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Replayed == "" { // which is counted apart
		s.shown++
	}
	text := s.row(d) + "\n"
	if d.Verdict == delivery.VerdictRejected {
		text += wrapped(plain(d.Hint), s.room())
	}
	return s.draw(text)
}

func (s *screen) tell(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	lines{progress: s.progress}.tell(text)
	_ = s.draw("") // the next delivery tells
}

// setStatus replaces the last line, and is told how many deliveries were shown.
func (s *screen) setStatus(text func(shown int) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = text(s.shown)
	_ = s.draw("") // the next delivery tells
}

// close leaves the cursor where the last line was.
func (s *screen) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.live = false
}

func (s *screen) clear() {
	if s.live && s.status != "" {
		_, _ = io.WriteString(s.output, clearLine) // it is about to end, or the next delivery tells
	}
}

// draw writes lines in place of the last line, and that below them.
func (s *screen) draw(text string) error {
	if s.live && s.status != "" {
		text = clearLine + text + cut(s.status, s.room())
	}
	_, err := io.WriteString(s.output, text)
	return err
}

// room is how many columns may be used: many terminals begin a line with what is in
// the last one.
func (s *screen) room() int { return max(s.width()-1, 1) }

func (s *screen) row(d *kept) string {
	cells := d.cells("15:04:05Z")
	left := s.room() - len(gap)*(columns-1)
	for i, cell := range cells {
		s.widths[i] = max(s.widths[i], min(length(cell), most[i]))
		left -= s.widths[i]
	}
	widths := s.widths
	for _, i := range narrowing {
		if give := min(-left, widths[i]-narrowest); give > 0 {
			widths[i] -= give
			left += give
		}
	}
	var row strings.Builder
	free := s.room() // once the columns are at their narrowest, the line is cut
	for i, cell := range cells {
		if i > 0 {
			row.WriteString(cut(gap, free))
			free = max(free-len(gap), 0)
		}
		cell = cut(cell, min(widths[i], free))
		blanks := strings.Repeat(" ", min(widths[i], free)-length(cell))
		if i == columnVerdict && s.coloured && cell != "" && colours[d.Verdict] != "" {
			cell = colours[d.Verdict] + cell + endColour
		}
		row.WriteString(cell + blanks)
		free = max(free-widths[i], 0)
	}
	return strings.TrimRight(row.String(), " ")
}

// wrapped returns a text as indented lines.
func wrapped(text string, width int) string {
	var b strings.Builder
	line := ""
	flush := func() {
		if line != "" {
			b.WriteString(cut(indent+line, width) + "\n")
		}
	}
	for word := range strings.FieldsSeq(text) {
		if line != "" && length(indent+line+" "+word) > width {
			flush()
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	flush()
	return b.String()
}

// cut cuts a text that is too long and marks the cut.
func cut(text string, width int) string {
	if length(text) <= width {
		return text
	}
	if width == 0 {
		return ""
	}
	return string([]rune(text)[:width-1]) + "…"
}

// length is how many columns a text takes that [plain] has returned.
func length(text string) int { return utf8.RuneCountInString(text) }
