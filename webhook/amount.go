package webhook

import (
	"fmt"
	"slices"
	"strings"
)

// threeDecimals are the currencies of a thousand parts (ISO 4217). Those that a
// provider signs amounts of otherwise have two decimals.
var threeDecimals = []string{"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}

// parseAmount reads "amount,currency", two paths.
func parseAmount(argument string) (segment, error) {
	amount, currency, _ := strings.Cut(argument, ",")
	var paths []string
	for _, path := range []string{amount, currency} {
		p, err := ParsePlace("body " + path)
		if err != nil {
			return segment{}, err
		}
		paths = append(paths, p.names...)
	}
	if len(paths) != 2 {
		return segment{}, fmt.Errorf("%w: signed has {amount:%s}: write one path for the amount and one for its currency, such as {amount:amount,currency}", ErrScheme, argument)
	}
	return segment{kind: segmentAmount, text: strings.Join(paths, ",")}, nil
}

// amount returns the amount in the body with as many decimals as its currency has.
func (t template) amount(body []byte, paths string) (string, error) {
	amount, currency, _ := strings.Cut(paths, ",")
	for _, path := range []string{amount, currency} {
		if err := t.signedAlone(body, path); err != nil {
			return "", err
		}
	}
	decimals := 2
	if slices.Contains(threeDecimals, jsonValue(body, currency, false)) {
		decimals = 3
	}
	whole, fraction, _ := strings.Cut(jsonValue(body, amount, false), ".")
	fraction = strings.TrimRight(fraction, "0")
	if whole == "" || strings.Trim(whole+fraction, "0123456789") != "" || len(fraction) > decimals {
		return "", fmt.Errorf("%w: the amount in the body is not one of its currency", ErrSignatureMalformed)
	}
	return whole + "." + fraction + strings.Repeat("0", decimals-len(fraction)), nil
}
