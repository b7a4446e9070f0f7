package webhook

import (
	"fmt"
	"slices"
	"strings"
)

// consistent refuses descriptions whose parts contradict each other.
func (c *scheme) consistent() error {
	if m, is := c.method.(*messageMethod); is {
		if err := m.check(c); err != nil {
			return err
		}
	}
	switch {
	case c.token() && c.signature.kind == inClaim, !c.claiming() && slices.ContainsFunc(c.places(), func(p Place) bool { return p.kind == inClaim }):
		return &SchemeError{"signature", fmt.Errorf("%w: only a token has claims, and it is in none of them", ErrScheme)}
	case !c.signs() && c.timestamp.exists():
		return &SchemeError{"signature", fmt.Errorf("%w: nothing is signed, so anyone could renew a timestamp: leave {timestamp} out", ErrScheme)}
	case c.isSNS() && !slices.ContainsFunc(c.claims, func(c claim) bool { return c.name == "TopicArn" }):
		return &SchemeError{"claims", fmt.Errorf("%w: every topic of every AWS account signs alike: write which one is meant, as claims TopicArn={with:topic_arn}", ErrScheme)}
	case c.signs() && !c.token() && !c.signsInBody():
		return &SchemeError{"signed", fmt.Errorf("%w: signed covers nothing of the body, so any body would pass: add {body}", ErrScheme)}
	case slices.ContainsFunc(c.signed, c.listsUnsigned):
		return &SchemeError{"signed", fmt.Errorf("%w: signed has {header_lines:…}, whose list must be in the header of a jws: else bytes could move between the lines and the body", ErrScheme)}
	case c.signed.uses(segmentID) && c.id == nil:
		return &SchemeError{"signed", fmt.Errorf("%w: signed has {id}: write where it is, such as delivery_id header X-Id", ErrScheme)}
	case c.signed.uses(segmentExtra) && (!c.format.has(partExtra) || c.signed.behindExtra() == ""):
		return &SchemeError{"signed", fmt.Errorf(`%w: signed has {extra}: write it in the signature's format, too, such as signature header X-Sig "n={extra},s={signature}", and a text behind it in signed, such as "{extra}.{body}"`, ErrScheme)}
	case c.signed.uses(segmentTimestamp) && !c.timestamp.exists():
		return &SchemeError{"signed", fmt.Errorf("%w: signed has {timestamp}: write where it is, such as timestamp header X-Timestamp", ErrScheme)}
	case c.timestamp.exists() && !c.timestampSigned():
		return &SchemeError{"timestamp", fmt.Errorf("%w: signed does not cover the timestamp, so anyone could renew it: add {timestamp} to signed or leave timestamp out", ErrScheme)}
	}
	return nil
}

func (c *scheme) timestampSigned() bool {
	return c.signed.uses(segmentTimestamp) || c.covers(c.timestamp.place)
}

// signsInBody reports whether the signature covers any of the body.
func (c *scheme) signsInBody() bool {
	return slices.ContainsFunc(c.signed, segment.inBody) || c.ties(segment.inBody) || c.repeats()
}

// repeats reports whether some of the body must say again what the signature
// covers outside of it.
func (c *scheme) repeats() bool {
	if c.require == nil || !c.require.place.inContent() {
		return false
	}
	signed := 0
	for _, s := range c.require.want {
		switch {
		case s.kind == segmentLiteral || s.kind == segmentWith:
		case s.inBody() || !slices.Contains(c.signed, s):
			return false
		default:
			signed++
		}
	}
	return signed > 0
}

// listsUnsigned reports whether the signature does not cover the list of the
// header fields that it covers.
func (c *scheme) listsUnsigned(s segment) bool {
	if s.kind != segmentHeaderLines {
		return false
	}
	list, _ := cutList(s.text)
	_, detached := c.method.(detachedMethod)
	return !detached || !slices.Equal(list.fields(), c.signature.fields())
}

// ties reports whether the signature covers a place, outside of the body, where
// such a segment must stand.
func (c *scheme) ties(such func(segment) bool) bool {
	return c.require != nil && slices.ContainsFunc(c.require.want, such) && c.require.place.inHead() && c.covers(c.require.place)
}

// covers reports whether the signature covers the value at p.
func (c *scheme) covers(p Place) bool {
	if c.repeats() && c.require.place.kind == p.kind && slices.Equal(c.require.place.names, p.names) {
		return true
	}
	switch p.kind {
	case inClaim:
		return c.claiming()
	case inBody, inForm, inMultipart:
		if c.signed.uses(segmentBody) || p.kind == inBody && c.signed.uses(segmentJSONSorted) || c.ties(func(s segment) bool { return template{s}.uses(segmentBody) }) {
			return true
		}
		if first, others, several := strings.Cut(p.names[0], "+"); several && p.kind == inBody {
			return c.covers(Place{kind: inBody, names: []string{first}}) && c.covers(Place{kind: inBody, names: []string{others}})
		}
	case inQuery:
		if c.signed.uses(segmentURL) || c.signed.uses(segmentQuery) {
			return true
		}
	}
	return slices.ContainsFunc(c.signed, func(s segment) bool {
		switch s.kind {
		case segmentHeader:
			return p.kind == inHeader && slices.Equal(p.names, []string{s.text})
		case segmentHeaderList:
			return p.kind == inHeader && len(p.names) == 1 && slices.Contains(strings.Split(s.text, ","), p.names[0])
		case segmentHeaderLines:
			_, names := cutList(s.text)
			return p.kind == inHeader && len(p.names) == 1 && slices.Contains(names, p.names[0])
		case segmentJSON:
			return p.kind == inBody && slices.Equal(p.names, []string{s.text})
		case segmentJSONPHP:
			return p.kind == inBody && len(p.names) == 1 && strings.HasPrefix(p.names[0]+".", s.text+".")
		case segmentQueryField:
			return p.kind == inQuery && slices.Equal(p.names, []string{s.text})
		case segmentForm:
			return p.kind == inForm && slices.Equal(p.names, []string{s.text})
		case segmentMultipart:
			return p.kind == inMultipart && slices.Equal(p.names, []string{s.text})
		case segmentFormPHP:
			return p.kind == inForm && !slices.Contains(p.names, s.text)
		case segmentAmount:
			return p.kind == inBody && len(p.names) == 1 && strings.HasPrefix(s.text, p.names[0]+",")
		case segmentFormSorted:
			return p.kind == inForm
		default:
			return false
		}
	})
}
