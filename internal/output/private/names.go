package private

// A directory bears the second name only once it is locked, so that nobody takes one that is just
// being made for one that was left behind. One of the first name is never touched by others: no
// lock says whether it is in use.
const (
	prefix       = "kubemint-"
	lockedPrefix = prefix + "exec-"
)
