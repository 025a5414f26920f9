// Package reach says where access is declared.
//
// In: the declared access. Out: namespaces, and "" for the cluster scope. It is pure. It imports
// config.
package reach
