// Package console is the one sink for text: everything that a person or a runner reads goes through it.
//
// In: lines, and the data of others that stands in them. Out: what stderr shows. It imports parallel, problem and token.
package console
