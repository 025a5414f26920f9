package problem

// Nearest returns the word of among that word was probably meant to be, or "" where none is near: at most two edits
// away, and fewer than half of the word's letters.
func Nearest(word string, among []string) string {
	const longest = 256 // nobody mistypes a longer word, and the work grows with the square
	best, least := "", min(3, (len(word)+1)/2)
	for _, candidate := range among {
		if len(word) > longest || len(candidate) > longest {
			continue
		}
		if d := Distance(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// Distance is the number of letters to insert, delete, replace or swap with their neighbour (optimal string alignment).
func Distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
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
