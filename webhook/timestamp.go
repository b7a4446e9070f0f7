package webhook

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// timestamp is where a delivery's timestamp travels and how it is written.
type timestamp struct {
	place Place // kind inSignature: the {timestamp} of the signature's format
	unit  string
}

func (t timestamp) exists() bool { return t.place.kind != "" }

func parseTimestamp(text string, inFormat bool) (timestamp, error) {
	if text == "" {
		if inFormat {
			return timestamp{place: Place{kind: inSignature}, unit: "seconds"}, nil
		}
		return timestamp{}, nil
	}
	if inFormat != (text == "signature" || strings.HasPrefix(text, "signature ")) {
		return timestamp{}, fmt.Errorf(`%w: timestamp %q: write "signature" if, and only if, the signature's format has {timestamp}`, ErrScheme, text)
	}
	t := timestamp{unit: "seconds"}
	where, unit := cutPlace(text)
	if inFormat {
		t.place.kind = inSignature
		_, unit, _ = strings.Cut(text, " ")
	} else {
		var err error
		if t.place, err = ParsePlace(where); err != nil {
			return timestamp{}, fmt.Errorf("timestamp: %w", err)
		}
	}
	switch unit {
	case "":
	case "seconds", "milliseconds", "unix", "rfc3339", "utc", "http":
		t.unit = unit
	default:
		return timestamp{}, fmt.Errorf("%w: timestamp unit %q is unknown: write seconds, milliseconds, unix, rfc3339, utc or http", ErrScheme, unit)
	}
	return t, nil
}

// parse reads a timestamp strictly: a sign, blank or fraction that one parser
// takes and another does not is a way to make two parties disagree.
func (t timestamp) parse(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, ErrTimestampMissing
	}
	switch t.unit {
	case "rfc3339":
		return parseTime(time.RFC3339Nano, text)
	case "utc":
		return parseTime(withoutZone, text)
	case "http":
		return parseTime(http.TimeFormat, text)
	}
	const most = 15 // digits; milliseconds need them until the year 33658
	if len(text) > most || strings.Trim(text, "0123456789") != "" {
		return time.Time{}, fmt.Errorf("%w: it is not a count of %s", ErrTimestampMalformed, t.unit)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: it is not a count of %s", ErrTimestampMalformed, t.unit)
	}
	if t.unit == "milliseconds" || t.unit == "unix" && n > mostSeconds {
		return time.UnixMilli(n), nil
	}
	return time.Unix(n, 0), nil
}

// mostSeconds tells seconds from milliseconds: it is the year 5138 in the one
// unit and 1973 in the other.
const mostSeconds = 1e11

// withoutZone is RFC 3339 but for the offset, which it wants.
const withoutZone = "2006-01-02T15:04:05"

func parseTime(layout, text string) (time.Time, error) {
	at, err := time.Parse(layout, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: it is not written like %s", ErrTimestampMalformed, layout)
	}
	return at, nil
}

func (t timestamp) render(at time.Time) string {
	switch t.unit {
	case "rfc3339":
		return at.UTC().Format(time.RFC3339)
	case "utc":
		return at.UTC().Format(withoutZone)
	case "http":
		return at.UTC().Format(http.TimeFormat)
	case "milliseconds":
		return strconv.FormatInt(at.UnixMilli(), 10)
	default:
		return strconv.FormatInt(at.Unix(), 10)
	}
}

// fresh returns an error if at is outside the tolerance around now. A tolerance
// of zero lets every age pass.
func fresh(at, now time.Time, tolerance time.Duration) error {
	if tolerance <= 0 {
		return nil
	}
	age := now.Sub(at)
	if age > tolerance {
		return fmt.Errorf("%w: by %s", ErrTimestampTooOld, (age - tolerance).Round(time.Second))
	}
	if ahead := min(tolerance, MaxFuture); age < -ahead {
		return fmt.Errorf("%w: by %s", ErrTimestampTooNew, (-age - ahead).Round(time.Second))
	}
	return nil
}
