// Package wire makes every HTTP client of the program. No such client follows a redirect, and none
// reads an answer that is larger than its bound once it is unpacked: somebody who answers in the
// place of an API server, a cloud or a CI system cannot have a credential sent to another address,
// and cannot fill the memory.
//
// In goes a transport, out comes a client. It may import nothing of this program.
package wire
