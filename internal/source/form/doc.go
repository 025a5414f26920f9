// Package form recognises what stands where a kubeconfig, or the path of one, belongs.
//
// In: the bytes of a file, of an input or of a variable. Out: the kubeconfig's text, where there is
// no doubt what it is (base64, base64 twice, UTF-16, quotes around it), or the name of what it
// looks like instead, with the command that mends it. Nothing of the content is in an error. The
// room changes for one reason: people paste something new.
//
// It imports disk and problem.
package form
