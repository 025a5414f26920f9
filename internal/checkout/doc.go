// Package checkout follows paths through the workspace, which a pull request may have written: a link in it
// leads where its author wants. What stands by its own name in the workspace is the pull request's to write,
// and is read as such; what a link of the workspace makes of a name is refused.
//
// In: the workspace's directory and a path. Out: the links of the workspace on that path, or a file's
// content. A hard link cannot be told from the file itself. Git brings none along; a program that runs as the
// job's user can make one, and can read whatever it would link to. It imports nothing of ours.
package checkout
