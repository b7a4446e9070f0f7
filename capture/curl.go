package capture

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"strings"
)

// isCurl reports whether text is a command, perhaps with a prompt in front.
func isCurl(text []byte) bool {
	fields := strings.Fields(withoutPrompt(string(text[:min(len(text), 64)])))
	return len(fields) > 0 && (fields[0] == "curl" || strings.HasSuffix(fields[0], "/curl") || fields[0] == "curl.exe")
}

func withoutPrompt(text string) string {
	return strings.TrimPrefix(strings.TrimPrefix(text, "$ "), "% ")
}

// Options of curl by what they mean here. What changes the request in another way is
// none of them, and an error.
const (
	curlBare  = "bare"  // says nothing of the request
	curlValue = "value" // the same, but takes a value
)

var curlOptions = map[string]string{
	"request": "request", "X": "request",
	"header": "header", "H": "header",
	"data": "data", "d": "data", "data-ascii": "data",
	"data-binary": "data-binary", "data-raw": "data-raw", "data-urlencode": "data-urlencode",
	"json": "json", "url": "url",
	"user": "user", "u": "user",
	"user-agent": "user-agent", "A": "user-agent",
	"referer": "referer", "e": "referer",
	"cookie": "cookie", "b": "cookie",

	"compressed": curlBare, "fail": curlBare, "f": curlBare, "fail-with-body": curlBare, "globoff": curlBare, "g": curlBare,
	"http1.0": curlBare, "0": curlBare, "http1.1": curlBare, "http2": curlBare, "http3": curlBare, "include": curlBare, "i": curlBare,
	"insecure": curlBare, "k": curlBare, "location": curlBare, "L": curlBare, "no-progress-meter": curlBare,
	"no-buffer": curlBare, "N": curlBare, "path-as-is": curlBare, "progress-bar": curlBare, "#": curlBare,
	"show-error": curlBare, "S": curlBare, "silent": curlBare, "s": curlBare, "verbose": curlBare, "v": curlBare,
	"ipv4": curlBare, "4": curlBare, "ipv6": curlBare, "6": curlBare,

	"cacert": curlValue, "connect-timeout": curlValue, "connect-to": curlValue, "max-time": curlValue, "m": curlValue,
	"output": curlValue, "o": curlValue, "proxy": curlValue, "x": curlValue, "resolve": curlValue, "retry": curlValue,
	"write-out": curlValue, "w": curlValue, "unix-socket": curlValue,
}

// command is a curl command as far as it is read.
type command struct {
	files   Files
	method  string
	address string
	written [][2]string     // fields of --header, which come before those of other options
	implied [][2]string     // fields of other options
	dropped map[string]bool // fields that curl is told not to send
	body    []byte
	hasBody bool
}

func parseCurl(text string, files Files) (Request, error) {
	args, err := words(withoutPrompt(text))
	if err != nil {
		return Request{}, err
	}
	c := &command{files: files, dropped: map[string]bool{}}
	if err := c.read(args[min(1, len(args)):]); err != nil {
		return Request{}, err
	}
	return c.request()
}

func (c *command) read(args []string) error {
	next := func(option string) (string, error) {
		if len(args) == 0 {
			return "", malformed("curl's %s lacks its value", option)
		}
		value := args[0]
		args = args[1:]
		return value, nil
	}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		long, isLong := strings.CutPrefix(arg, "--")
		short, isShort := strings.CutPrefix(arg, "-")
		switch {
		case isLong:
			meaning := curlOptions[long]
			if len(long) < 2 || meaning == "" {
				return unknownOption(arg)
			}
			if meaning == curlBare {
				continue
			}
			value, err := next(arg)
			if err != nil {
				return err
			}
			if err := c.set(meaning, value); err != nil {
				return err
			}
		case isShort && short != "":
			for short != "" {
				name := short[:1]
				short = short[1:]
				meaning := curlOptions[name]
				if meaning == "" {
					return unknownOption("-" + name)
				}
				if meaning == curlBare {
					continue
				}
				value := short
				short = ""
				if value == "" {
					var err error
					if value, err = next("-" + name); err != nil {
						return err
					}
				}
				if err := c.set(meaning, value); err != nil {
					return err
				}
			}
		default:
			if err := c.set("url", arg); err != nil {
				return err
			}
		}
	}
	return nil
}

func unknownOption(option string) error {
	return malformed("curl's %s is not understood here: leave it away if it changes nothing of the request", cut(option))
}

// set applies an option.
func (c *command) set(meaning, value string) error {
	switch meaning {
	case "request":
		c.method = value
	case "url":
		if c.address != "" {
			return malformed("the command has two addresses")
		}
		c.address = value
	case "header":
		return c.header(value)
	case "user":
		c.imply("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(value)))
	case "user-agent":
		c.imply("User-Agent", value)
	case "referer":
		c.imply("Referer", value)
	case "cookie":
		c.imply("Cookie", value)
	case "json":
		c.imply("Content-Type", "application/json")
		c.imply("Accept", "application/json")
		return c.data(value, "", true, false)
	case "data":
		return c.data(value, "&", true, true)
	case "data-binary":
		return c.data(value, "&", true, false)
	case "data-raw":
		return c.data(value, "&", false, false)
	case "data-urlencode":
		return c.encoded(value)
	}
	return nil
}

func (c *command) imply(name, value string) {
	c.implied = append(c.implied, [2]string{name, value})
}

func (c *command) header(text string) error {
	name, value, found := strings.Cut(text, ":")
	switch {
	case strings.HasPrefix(text, "@"):
		return malformed("the command has its header fields in a file: write them into it")
	case found && strings.TrimSpace(value) == "":
		c.dropped[strings.ToLower(name)] = true
	case found:
		c.written = append(c.written, [2]string{name, value})
	case strings.HasSuffix(text, ";"):
		c.written = append(c.written, [2]string{strings.TrimSuffix(text, ";"), ""})
	default:
		return malformed("%q is no header field", cut(text))
	}
	return nil
}

// data adds to the body. Of a file, --data leaves out line breaks and zero bytes.
func (c *command) data(value, separator string, fromFile, stripped bool) error {
	more := []byte(value)
	if name, isFile := strings.CutPrefix(value, "@"); isFile && fromFile {
		if c.files == nil {
			return malformed("the command has its body in the file %s, which is not at hand", cut(name))
		}
		var err error
		if more, err = c.files(name); err != nil {
			return err
		}
		if stripped {
			more = []byte(strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(string(more)))
		}
	}
	if c.hasBody {
		c.body = append(c.body, separator...)
	}
	c.body, c.hasBody = append(c.body, more...), true
	return nil
}

// encoded adds "content", "=content" or "name=content", with the content encoded.
func (c *command) encoded(value string) error {
	at := strings.IndexAny(value, "=@")
	switch {
	case at < 0:
		value = url.QueryEscape(value)
	case value[at] == '@':
		return malformed("the command encodes a file into its body: write it as --data-raw")
	case at == 0:
		value = url.QueryEscape(value[1:])
	default:
		value = value[:at+1] + url.QueryEscape(value[at+1:])
	}
	return c.data(value, "&", false, false)
}

func (c *command) request() (Request, error) {
	if c.method == "" {
		c.method = "GET"
		if c.hasBody {
			c.method = "POST"
		}
	}
	r, err := newRequest(c.method)
	if err != nil {
		return r, err
	}
	if c.hasBody {
		c.imply("Content-Type", "application/x-www-form-urlencoded")
	}
	host := ""
	for _, field := range c.written {
		named, err := r.add(field[0], field[1])
		if err != nil {
			return r, err
		}
		host = cmp.Or(host, named)
	}
	for _, field := range c.implied {
		name := field[0]
		if len(r.Header.Values(name)) > 0 || c.dropped[strings.ToLower(name)] {
			continue
		}
		if _, err := r.add(name, field[1]); err != nil {
			return r, err
		}
	}
	r.Body = c.body
	if err := r.at(c.address, host); err != nil {
		return r, err
	}
	err = r.fit()
	return r, err
}

// at sets the address, at which --header can name another host.
func (r *Request) at(address, host string) error {
	if address == "" {
		return malformed("the command has no address")
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	if err := r.Address(address); err != nil || host == "" {
		return err
	}
	scheme, rest, _ := strings.Cut(r.URL, "://")
	return r.Address(scheme + "://" + host + rest[strings.IndexByte(rest, '/'):])
}
