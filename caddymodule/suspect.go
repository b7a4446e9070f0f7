package caddymodule

import (
	"context"

	"github.com/hookpass/hookpass/dedup"
	"github.com/hookpass/hookpass/delivery"
)

// watch flags a delivery whose content was handled before under another id, where
// the provider does not sign the id: it may be a captured one, sent again. It may
// also be genuine, so that it is forwarded all the same. The claim that is returned
// stands for the content, too.
func (x *exchange) watch(claim dedup.Claim, id dedup.ID, options dedup.Options) dedup.Claim {
	content := x.contentID()
	if content == id {
		return claim
	}
	options.Wait = 0
	// The first sight is for the content alone: an error decides nothing.
	seen, err := x.h.app.store.Begin(context.WithoutCancel(x.r.Context()), content, options)
	switch {
	case err != nil:
		return claim
	case seen.Kind == dedup.Forward:
		return bothClaims{seen.Claim, claim}
	case x.replay == nil:
		x.record.Replayed = delivery.ReplayedSuspected
	}
	return claim
}

// bothClaims are those on the content of a delivery and on its id. The content is
// remembered first, and thus forgotten first: the id alone never flags a copy.
type bothClaims struct{ content, id dedup.Claim }

func (c bothClaims) Commit() {
	c.content.Commit()
	c.id.Commit()
}

func (c bothClaims) Abort() {
	c.content.Abort()
	c.id.Abort()
}
