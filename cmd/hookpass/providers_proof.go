package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/interop/sdks"
	"github.com/hookpass/hookpass/webhook"
)

// proof is by whom it is known that hookpass is right about a provider.
type proof struct {
	SDK       bool `json:"sdk"`       // the provider's own, which signs for the tests or judges what they sign
	Published int  `json:"published"` // vectors of the provider or its SDK
	Computed  int  `json:"computed"`  // vectors of software that shares nothing with hookpass
	Stated    int  `json:"stated"`    // vectors of a static token: there is nothing to compute
}

func proofOf(p *catalog.Provider) proof {
	n := proof{SDK: slices.Contains(sdks.Proven(), p.ID)}
	for _, v := range p.Vectors {
		switch {
		case p.Scheme.Type == webhook.TypeToken || p.Scheme.Type == webhook.TypeBasic:
			n.Stated++
		case v.Published():
			n.Published++
		default:
			n.Computed++
		}
	}
	return n
}

// kinds names what there is, in the order of its weight.
func (p proof) kinds() []string {
	var kinds []string
	for _, kind := range []struct {
		name  string
		there bool
	}{
		{"SDK", p.SDK},
		{"published", p.Published > 0},
		{"computed", p.Computed > 0},
		{"stated", p.Stated > 0},
	} {
		if kind.there {
			kinds = append(kinds, kind.name)
		}
	}
	return kinds
}

func (p proof) String() string { return strings.Join(p.kinds(), ", ") }

func (p *providers) printProof(found []entry) error {
	count := map[string]int{}
	for _, e := range found {
		for _, kind := range proofOf(e.Provider).kinds() {
			count[kind]++
		}
	}
	var rows strings.Builder
	fmt.Fprintf(&rows, "%d\t\t  providers\n", len(found))
	for _, line := range [][2]string{
		{"SDK", "whose own SDK agrees with hookpass"},
		{"published", "with a published vector"},
		{"computed", "with a vector that independent software computed"},
		{"stated", "that send the secret itself, in the place that their documentation states"},
	} {
		n := count[line[0]]
		fmt.Fprintf(&rows, "%d\t%d %%\t  %s\n", n, 100*n/len(found), line[1])
	}
	return p.printAligned(rows.String(), tabwriter.AlignRight)
}
