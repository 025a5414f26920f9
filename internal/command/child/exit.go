package child

// The exit codes that are not the command's own: those of env, nice and nohup (POSIX).
const (
	ExitOurs       = 125 // kubemint itself failed; its own code is in the message
	ExitCannotRun  = 126
	ExitNotFound   = 127
	ExitSignalBase = 128
)
