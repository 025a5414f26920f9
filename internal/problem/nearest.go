package problem

// NearestWord returns the word of among that word was probably meant to be, or "" where none is
// near: at most two edits away, and fewer than half of the word's letters.
func NearestWord(word string, among []string) string {
	const longest = 256 // nobody mistypes a longer word, and the work grows with the square
	best := ""
	least := min(3, (len(word)+1)/2)
	for _, candidate := range among {
		if len(word) > longest || len(candidate) > longest {
			continue
		}
		if d := EditDistance(word, candidate); d < least {
			best = candidate
			least = d
		}
	}
	return best
}

// EditDistance is the number of letters to insert, delete, replace or swap with their neighbour
// (optimal string alignment).
func EditDistance(a, b string) int {
	before := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
