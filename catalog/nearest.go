package catalog

import "github.com/agnivade/levenshtein"

// Nearest returns the candidate with the fewest edits from word, the first in
// case of a tie, so that an error about a misspelt name can offer it.
func Nearest(word string, candidates []string) string {
	best, fewest := "", -1
	for _, candidate := range candidates {
		if n := levenshtein.ComputeDistance(word, candidate); fewest < 0 || n < fewest {
			best, fewest = candidate, n
		}
	}
	return best
}
