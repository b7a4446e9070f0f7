package capture

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// words splits a command as a POSIX shell does, and knows the $'…' of bash, in which
// browsers write. What only a shell could expand is an error.
func words(command string) ([]string, error) {
	s := &shell{rest: command}
	for s.rest != "" {
		if err := s.step(); err != nil {
			return nil, err
		}
	}
	s.end()
	return s.words, nil
}

type shell struct {
	rest   string
	words  []string
	word   strings.Builder
	inWord bool // also an empty one, such as ''
}

func (s *shell) end() {
	if s.inWord {
		s.words = append(s.words, s.word.String())
		s.word.Reset()
		s.inWord = false
	}
}

func (s *shell) write(text string) {
	s.word.WriteString(text)
	s.inWord = true
}

// take removes n bytes.
func (s *shell) take(n int) string {
	text := s.rest[:n]
	s.rest = s.rest[n:]
	return text
}

func (s *shell) step() error {
	switch c := s.rest[0]; {
	case strings.HasPrefix(s.rest, "\\\n"):
		s.take(2)
	case strings.HasPrefix(s.rest, "\\\r\n"):
		s.take(3)
	case strings.HasPrefix(s.rest, "$'"):
		s.take(2)
		return s.ansi()
	case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		s.take(1)
		s.end()
	case c == '\'':
		s.take(1)
		end := strings.IndexByte(s.rest, '\'')
		if end < 0 {
			return malformed("a ' of the command has no end")
		}
		s.write(s.take(end))
		s.take(1)
	case c == '"':
		s.take(1)
		return s.double()
	case c == '\\':
		if len(s.rest) < 2 {
			return malformed("the command ends in a backslash")
		}
		s.take(1)
		s.write(s.take(1))
	case strings.IndexByte("$`", c) >= 0:
		return errExpansion
	case strings.IndexByte("|&;<>()", c) >= 0:
		return malformed("the command has a %q outside of quotes: leave away what is not of curl", string(c))
	default:
		s.write(s.take(1))
	}
	return nil
}

var errExpansion = malformed("the command has a variable or another command in it, which only a shell could fill in")

func (s *shell) double() error {
	s.write("")
	for s.rest != "" {
		switch c := s.take(1); c {
		case `"`:
			return nil
		case "$", "`":
			return errExpansion
		case `\`:
			switch {
			case s.rest == "":
			case s.rest[0] == '\n':
				s.take(1)
			case strings.IndexByte("$`\"\\", s.rest[0]) >= 0:
				s.write(s.take(1))
			default:
				s.write(c)
			}
		default:
			s.write(c)
		}
	}
	return malformed(`a " of the command has no end`)
}

var ansiEscapes = map[byte]string{
	'a': "\a", 'b': "\b", 'e': "\x1b", 'E': "\x1b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v",
	'\\': `\`, '\'': "'", '"': `"`, '?': "?",
}

func (s *shell) ansi() error {
	s.write("")
	for s.rest != "" {
		c := s.take(1)
		if c == "'" {
			return nil
		}
		if c != `\` || s.rest == "" {
			s.write(c)
			continue
		}
		kind := s.take(1)[0]
		switch escape, known := ansiEscapes[kind]; {
		case known:
			s.write(escape)
		case kind == 'x':
			s.write(string([]byte{byte(s.number(16, 2) & 0xff)}))
		case kind == 'u':
			s.write(string(s.number(16, 4)))
		case kind == 'U':
			s.write(string(s.number(16, 8)))
		case kind >= '0' && kind <= '7':
			s.rest = string(kind) + s.rest
			s.write(string([]byte{byte(s.number(8, 3) & 0xff)}))
		default:
			s.write(`\` + string([]byte{kind}))
		}
	}
	return malformed("a $' of the command has no end")
}

// number takes up to most digits.
func (s *shell) number(base, most int) rune {
	n := 0
	for n < len(s.rest) && n < most {
		if _, err := strconv.ParseUint(s.rest[n:n+1], base, 8); err != nil {
			break
		}
		n++
	}
	value, err := strconv.ParseInt(s.take(n), base, 32)
	if err != nil {
		return utf8.RuneError // no digits, or more than a character has
	}
	return rune(value)
}
