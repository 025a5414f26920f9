// Package harness is shared by the tests below test/, which run kubemint from outside, as a job does.
//
// Its nouns:
//
//   - [Shared], the Kubernetes control plane of a package's tests, in which [NewNamespace] gives each test its own place;
//   - [Command], the program itself, built once as a release is, and run as a process with an environment of its own;
//   - [Job], the runs of one kind, with the runner's credential and two namespaces, and [Run], one of them, whose requests pass
//     through a proxy that may hold, change or refuse them;
//   - [Exec], a run of kubemint exec in the test's own process;
//   - [Reader], somebody who types what a page of docs/tasks says.
//
// In: a package's TestMain calls [Main]. Out: the program as "kubemint" in PATH, and the repository's root as the working
// directory, so that a test names a file as the documentation does.
//
// A test that needs a control plane is skipped by go test -short.
package harness
