// Package confine reads the files that a kubeconfig names, and only those that it may name.
//
// A kubeconfig is untrusted: it could name any secret of the job. So its files lie in its own
// directory, in the workspace, in the job's temporary directory or, for a kubeconfig of the home
// directory, there. A kubeconfig of the workspace, or one given as content, may name no file that
// is a credential.
//
// In: the [Reader], a field and a path. Out: the content, or a refusal of exit code 3. It imports
// disk, problem and source/form.
package confine
